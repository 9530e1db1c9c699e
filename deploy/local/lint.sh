#!/usr/bin/env bash
# Contracts against the style rules and against what is on the main branch, and the format of our C++.
set -euo pipefail
cd "$(dirname "$0")/../.."
buf=${1:?usage: lint.sh PATH_OF_BUF}
failed=0

say() { printf '[lint] %s\n' "$*" >&2; }

# Without files clang-format would read its standard input and find nothing wrong with it.
listed=$(git ls-files --cached --others --exclude-standard '*.h' '*.cc') ||
  { say "git cannot list the sources; its reason is above"; exit 1; }
[ -n "$listed" ] || { say "git lists no C++ sources: is this the checkout?"; exit 1; }
mapfile -t sources <<<"$listed"

"$buf" lint || failed=1
"$buf" format --diff --exit-code proto >/dev/null || { say "proto files need \`make format\`"; failed=1; }

# The commit that our contracts must stay compatible with: main, or its parent when main is what is checked out.
base=$(git rev-parse --verify -q main || git rev-parse --verify -q origin/main || true)
if [ -n "$base" ] && [ "$base" = "$(git rev-parse HEAD)" ]; then base=$(git rev-parse -q --verify HEAD^ || true); fi
if [ -n "$base" ] && git cat-file -e "$base:buf.yaml" 2>/dev/null &&
  [ -n "$(git ls-tree -r --name-only "$base" proto | grep '\.proto$' | head -n 1)" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # buf cannot see node_modules in a git reference, so the base is unpacked beside a link to it.
  git archive "$base" proto buf.yaml | tar -x -C "$work"
  ln -s "$PWD/node_modules" "$work/node_modules"
  # Images, because a comparison of workspaces wants equal numbers of modules.
  (cd "$work" && "$buf" build proto -o base.binpb)
  "$buf" build proto -o "$work/now.binpb"
  "$buf" breaking "$work/now.binpb" --against "$work/base.binpb" --exclude-imports \
    --config '{"version":"v2","breaking":{"use":["WIRE_JSON","PACKAGE"]}}' || failed=1
elif [ -n "$base" ]; then
  say "nothing to compare the contracts with: $base has none"
else
  say "WARNING: BREAKING CHANGES OF THE CONTRACTS WERE NOT LOOKED FOR: neither main nor a parent of it is here."
  say "In a clone of depth 1, get the parent with: git fetch --deepen 1"
fi

clang-format --dry-run --Werror "${sources[@]}" 2>/tmp/lockstep-format.$$ || {
  grep -oE '^[A-Za-z0-9_./-]+\.(h|cc):[0-9]+' /tmp/lockstep-format.$$ | cut -d: -f1 | sort -u | head -n 20 >&2
  say "the files above need \`make format\`"
  failed=1
}
rm -f /tmp/lockstep-format.$$
[ "$failed" = 0 ] && say "clean"
exit "$failed"
