#!/usr/bin/env bash
# `make bench`: measures the release build on a private cluster on tmpfs. Prints medians and spreads; compares with a
# yardstick in the same run. `tests/bench/run.sh NAME...` runs only those of migrate, noop, import, online, proof, rewrite.
set -euo pipefail
cd "$(dirname "$0")/../.."
benches=("$@")
[ "${#benches[@]}" -gt 0 ] || benches=(noop migrate import online proof rewrite)

[ -f build/release/build.ninja ] || cmake --preset release >/dev/null
cmake --build --preset release --target lockstep lockstep-migration lockstep-catalog lockstep-orders lockstep-finance >&2

export LOCKSTEP_SOURCE_DIR=$PWD LOCKSTEP_BINARY_DIR=$PWD/build/release/bin
export LOCKSTEP_TEST_CLUSTER_DIR=$PWD/build/release/bench-cluster
tests/support/cluster.sh start "$LOCKSTEP_TEST_CLUSTER_DIR"
trap 'tests/support/cluster.sh stop "$LOCKSTEP_TEST_CLUSTER_DIR"' EXIT
for bench in "${benches[@]}"; do
  PYTHONPATH=tests/e2e /usr/bin/python3 -B "tests/bench/${bench}_bench.py"
done
