# Shared by the scripts of this folder: where things live and which ports they use. Sourced, not run.
#
# LOCKSTEP_LOCAL_DIR   folder of everything that runs (default .local in the checkout)
# LOCKSTEP_PORT_BASE   catalog, orders, finance and migration listen on base+1 .. base+4 (default 7100);
#                      health and metrics of migration are on base+104

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
local_dir=${LOCKSTEP_LOCAL_DIR:-$root/.local}
port_base=${LOCKSTEP_PORT_BASE:-7100}
services=(migration catalog orders finance)

declare -A port_of=([catalog]=$((port_base + 1)) [orders]=$((port_base + 2)) [finance]=$((port_base + 3))
  [migration]=$((port_base + 4)))
http_port=$((port_base + 104))
for service in "${services[@]}"; do
  export "LOCKSTEP_ENDPOINT_${service^^}=127.0.0.1:${port_of[$service]}"
done
export LOCKSTEP_MIGRATIONS_DIR=${LOCKSTEP_MIGRATIONS_DIR:-$root/migrations}

say() { printf '[%s] %s\n' "${script_name:-lockstep}" "$*" >&2; }
fail() { say "$*"; exit 1; }

# True when the process in the pid file is alive and is the program that wrote it (pids are used again). One that was
# killed keeps its name until its parent asks for it, and its port until its last thread has ended: that is waited for.
is_running() {
  local service=$1 pid_file=$local_dir/run/$1.pid pid
  [ -s "$pid_file" ] || return 1
  pid=$(cat "$pid_file")
  while [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$(printf 'lockstep-%s' "$service" | cut -c1-15)" ]; do
    grep -q '^State:[[:space:]]*[ZX]' "/proc/$pid/status" 2>/dev/null || return 0
    [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -gt 1 ] || return 1
    sleep 0.05
  done
  return 1
}
