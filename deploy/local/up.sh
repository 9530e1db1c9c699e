#!/usr/bin/env bash
# `make up`: from a fresh Debian 12 to a running suite with demo data. Every stage looks first whether it is done, so
# running it again starts what is not running and loads nothing twice.
set -euo pipefail
script_name=up
cd "$(dirname "$0")/../.."
. deploy/local/settings.sh
preset=${1:-dev}

# What runs on after this script must not keep its caller's files, locks or pipes open.
for descriptor in /proc/$$/fd/*; do
  number=${descriptor##*/}
  if [ "$number" -gt 2 ] && [ "$number" -ne 255 ]; then eval "exec $number>&-"; fi
done
bin=$root/build/$preset/bin
binaries=(lockstep lockstep-migration lockstep-catalog lockstep-orders lockstep-finance)

build() {
  deploy/local/install_packages.sh
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
  say "building (the first time takes several minutes)"
  cmake --build --preset "$preset" --target "${binaries[@]}" >&2
  mkdir -p "$local_dir"/{bin,run,log}
  ln -sf "$bin/lockstep" "$local_dir/bin/lockstep"
  ln -sf "$(ls -d "$root"/node_modules/@bufbuild/buf-linux-*/bin/buf | head -n 1)" "$local_dir/bin/buf"
}

sql() { psql -qAtX -v ON_ERROR_STOP=1 "$admin_url" "$@"; }
migrate() { "$bin/lockstep" --direct "$migrator_url" --admin-url "$admin_url" "$@"; }

# The historical data arrives between v2.2.1 and v2.2.2, as it did in real life: v2.2.2 migrates it.
prepare_database() {
  deploy/local/postgres.sh start
  admin_url=$(deploy/local/postgres.sh url)
  migrator_url=$(deploy/local/postgres.sh url lockstep_migrator)
  # Safe to repeat; brings a ledger of an older build to this one's version.
  say "bootstrap: roles, schemas and the ledger"
  "$bin/lockstep" --direct "$admin_url" bootstrap >&2
  if [ "$(sql -c "SELECT to_regclass('transactions.legacy_order_map') IS NOT NULL")" != t ]; then
    say "upgrade to v2.2.1"
    migrate upgrade v2.2.1 >&2
    if [ "$(sql -c 'SELECT EXISTS (SELECT FROM transactions.transactions)')" != t ]; then
      say "loading the historical data (1,309 legacy transactions, 39 Notion orders)"
      python3 deploy/demo/generate_history.py | sql -f - >/dev/null
    fi
  fi
  say "upgrade to the newest release"
  # Services of an older build may run and hold a contract back; then it is they that have to go first.
  migrate upgrade head --gate-wait 5 >&2 ||
    { say "the upgrade did not end; where older builds hold it back: make down && make up"; return 1; }
}

# True when the running process began before its binary was built. The pid file is as old as the process.
is_outdated() { [ "$bin/lockstep-$1" -nt "$local_dir/run/$1.pid" ]; }

outdated=()
start_service() {
  local service=$1 user=${1}_app url
  [ "$service" = migration ] && user=lockstep_migrator
  if is_running "$service"; then
    ! is_outdated "$service" || outdated+=("$service")
    return
  fi
  say "starting $service on 127.0.0.1:${port_of[$service]}"
  url=$(deploy/local/postgres.sh url "$user")
  local flags=(--listen "127.0.0.1:${port_of[$service]}")
  [ "$service" = migration ] && flags+=(--http-listen "127.0.0.1:$http_port")
  LOCKSTEP_DATABASE_URL=$url setsid "$bin/lockstep-$service" "${flags[@]}" \
    >>"$local_dir/log/$service.log" 2>&1 </dev/null &
  echo $! >"$local_dir/run/$service.pid"
  # Until it has become the service, its name is still that of this script.
  until is_running "$service" || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
}

await_services() {
  local deadline=$((SECONDS + 60))
  until "$bin/lockstep" doctor >"$local_dir/log/doctor.log" 2>&1; do
    for service in "${services[@]}"; do
      is_running "$service" || { tail -n 5 "$local_dir/log/$service.log" >&2; fail "$service ended; its last lines are above"; }
    done
    [ "$SECONDS" -lt "$deadline" ] || { cat "$local_dir/log/doctor.log" >&2; fail "the services are not ready after 60 s"; }
    sleep 0.2
  done
}

import_sample() {
  [ "$(sql -c "SELECT EXISTS (SELECT FROM transactions.import_batches WHERE status = 'completed')")" != t ] || return 0
  say "importing deploy/demo/stockx_sample.csv through the orders service"
  "$bin/lockstep" orders import --platform stockx deploy/demo/stockx_sample.csv >&2
}

print_tour() {
  cat <<TOUR

Lockstep is running: catalog ${LOCKSTEP_ENDPOINT_CATALOG}, orders ${LOCKSTEP_ENDPOINT_ORDERS}, finance ${LOCKSTEP_ENDPOINT_FINANCE}, migration ${LOCKSTEP_ENDPOINT_MIGRATION}.
Logs are in ${local_dir}/log; \`make down\` stops everything. Try:

  export PATH="${local_dir}/bin:\$PATH"
  lockstep current
  lockstep orders list --filter 'platform = "stockx" AND sold_at >= "2025-01-01"'
  lockstep downgrade v2.2.1        # refused: it says what would be lost
  buf curl --protocol grpc --http2-prior-knowledge -d '{"page_size": 2}' \\
    http://${LOCKSTEP_ENDPOINT_ORDERS}/lockstep.orders.v1.OrderService/ListOrders
TOUR
}

build
prepare_database
for service in "${services[@]}"; do start_service "$service"; done
await_services
import_sample
print_tour
if [ "${#outdated[@]}" -gt 0 ]; then
  say "WARNING: built again since they were started, and the old ones are still running: ${outdated[*]}"
  say "restart with: make down && make up"
fi
