#!/usr/bin/env bash
# Removes what up.sh made, after down.sh. The folder itself goes only when nothing else is in it: LOCKSTEP_LOCAL_DIR may
# name one that holds more.
set -euo pipefail
script_name=clean
. "$(dirname "$0")/settings.sh"

"$(dirname "$0")/postgres.sh" remove
rm -rf "$local_dir"/{bin,run,log,initdb.log} "$root/build"
if [ -d "$local_dir" ]; then
  rmdir "$local_dir" 2>/dev/null || say "keeping $local_dir: it holds files that are not ours"
fi
