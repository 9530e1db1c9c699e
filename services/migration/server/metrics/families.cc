#include "services/migration/server/metrics/families.h"

#include <string>
#include <string_view>
#include <utility>

namespace lockstep::migration {
namespace {

using telemetry::Family;
using telemetry::Labels;
using telemetry::MetricType;

// A family whose name and help are given once, where its samples are.
class Builder {
 public:
  Builder(std::vector<Family>& families, MetricType type, const std::string& name, std::string help)
      : family_(families.emplace_back()) {
    family_.name = "lockstep_migration_" + name;
    family_.help = std::move(help);
    family_.type = type;
  }
  Builder& Add(Labels labels, double value) {
    family_.samples.push_back({.labels = std::move(labels), .value = value});
    return *this;
  }
  Builder& Add(Labels labels, std::int64_t value) {
    return Add(std::move(labels), static_cast<double>(value));
  }
  Builder& Add(Labels labels, int value) {
    return Add(std::move(labels), static_cast<double>(value));
  }
  template <typename T>
  Builder& AddIfKnown(Labels labels, const std::optional<T>& value) {
    return value.has_value() ? Add(std::move(labels), *value) : *this;
  }
  Family& family() { return family_; }

 private:
  Family& family_;  // used before the next family is made
};

double Seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

void AddServices(const Figures& figures, std::vector<Family>& families) {
  {
    Builder heads(families, MetricType::kGauge, "revision_info",
                  "1 for every revision that is applied completely and that no applied one of its "
                  "service follows.");
    for (const auto& [service, of] : figures.services) {
      for (const std::string& head : of.heads) {
        heads.Add({{"service", service}, {"revision", head}}, 1);
      }
    }
  }
  {
    Builder release(families, MetricType::kGauge, "release_info",
                    "1 for the newest release that is applied completely.");
    if (!figures.release.empty()) release.Add({{"release", figures.release}}, 1);
  }
  const auto add = [&](const char* name, const char* help, int ServiceFigures::*member) {
    Builder builder(families, MetricType::kGauge, name, help);
    for (const auto& [service, of] : figures.services) {
      builder.Add({{"service", service}}, of.*member);
    }
  };
  add("revisions_pending", "Revisions that are defined and not applied completely.",
      &ServiceFigures::pending);
  add("revisions_partial", "Revisions of which only some steps are applied.",
      &ServiceFigures::partial);
  add("revisions_unknown", "Applied revisions that the definitions do not have.",
      &ServiceFigures::unknown);
  add("instances_live", "Registered processes of the service whose lease has not run out.",
      &ServiceFigures::instances_live);
  add("instances_ready", "Live processes whose required revision is applied.",
      &ServiceFigures::instances_ready);
  Builder blockers(families, MetricType::kGauge, "contract_blockers",
                   "Builds in use and sessions that keep the gate of the pending CONTRACT revision "
                   "closed.");
  for (const auto& [of, count] : figures.contract_blockers) {
    blockers.Add({{"service", of.first}, {"revision", of.second}}, count);
  }
}

void AddRuns(const Figures& figures, std::vector<Family>& families) {
  const auto add = [&](MetricType type, const char* name, const char* help, const auto& runs) {
    Builder builder(families, type, name, help);
    for (const auto& [of, count] : runs) {
      builder.Add({{"kind", of.first}, {"state", of.second}}, count);
    }
  };
  add(MetricType::kGauge, "runs_active",
      "Runs that are not over; abandoned: its process is gone and no runner has come since.",
      figures.active_runs);
  add(MetricType::kCounter, "runs_finished_total", "Runs that are over, by how they ended.",
      figures.finished_runs);
  Builder steps(families, MetricType::kHistogram, "step_duration_seconds",
                "Duration of the steps that were applied (up) or undone (down).");
  for (const std::int64_t bound : kStepBoundsMs) steps.family().bounds.push_back(Seconds(bound));
  for (const StepDurations& of : figures.steps) {
    steps.family().samples.push_back(
        {.labels = {{"service", of.service}, {"direction", of.direction}},
         .buckets = {of.buckets.begin(), of.buckets.end()},
         .sum = Seconds(of.total_ms)});
  }
}

void AddLocks(const Figures& figures, std::vector<Family>& families) {
  {
    Builder waits(families, MetricType::kCounter, "lock_waits_total",
                  "Waits of runs for locks that are over, by the kind of session that held them.");
    for (const auto& [holder, of] : figures.lock_waits) waits.Add({{"holder", holder}}, of.waits);
  }
  {
    Builder seconds(families, MetricType::kCounter, "lock_wait_seconds_total",
                    "Time that runs waited for locks, of the waits that are over.");
    for (const auto& [holder, of] : figures.lock_waits) {
      seconds.Add({{"holder", holder}}, of.seconds);
    }
  }
  Builder(families, MetricType::kGauge, "lock_wait_seconds",
          "How long the run at work has been waiting for a lock; 0 when it does not wait.")
      .Add({}, figures.lock_wait_seconds);
  Builder blockers(families, MetricType::kGauge, "lock_blockers",
                   "Sessions that hold what the run at work waits for, by kind.");
  for (const HolderKind kind :
       {HolderKind::kOrdinary, HolderKind::kIdleInTransaction, HolderKind::kDump,
        HolderKind::kVacuum, HolderKind::kWraparoundVacuum, HolderKind::kWalsender,
        HolderKind::kPreparedTransaction}) {
    const std::string name(ToText(kind));
    const auto count = figures.lock_blockers.find(name);
    blockers.Add({{"holder", name}}, count == figures.lock_blockers.end() ? 0 : count->second);
  }
}

void AddBackfills(const Figures& figures, std::vector<Family>& families) {
  const auto labels = [](const BackfillInfo& of) -> Labels {
    return {{"service", of.service}, {"revision", of.revision}, {"step", of.step_name}};
  };
  const auto add = [&](const char* name, const char* help, auto value) {
    Builder builder(families, MetricType::kGauge, name, help);
    for (const BackfillInfo& of : figures.backfills) builder.AddIfKnown(labels(of), value(of));
  };
  using Count = std::optional<std::int64_t>;
  {
    Builder info(families, MetricType::kGauge, "backfill_info",
                 "1 for every backfill that is open or was finished in the last 24 hours.");
    for (const BackfillInfo& of : figures.backfills) {
      Labels all = labels(of);
      all.emplace_back("table", of.table);
      all.emplace_back("state", of.state);
      info.Add(std::move(all), 1);
    }
  }
  add("backfill_rows_done", "Rows that the backfill has walked.",
      [](const BackfillInfo& of) -> Count { return of.rows_done; });
  add("backfill_rows_changed", "Rows that the backfill has changed.",
      [](const BackfillInfo& of) -> Count { return of.rows_changed; });
  add("backfill_rows_estimated", "Rows that the backfill was estimated to have when it began.",
      [](const BackfillInfo& of) -> Count { return of.rows_estimated; });
  add("backfill_rows_per_second", "Present rate of the backfill; 0 when it does not move.",
      [](const BackfillInfo& of) -> Count { return of.rows_per_second; });
  add("backfill_remaining_seconds", "Estimated time to the end; absent while nobody can tell.",
      [](const BackfillInfo& of) -> Count {
        // What a run that is gone estimated is not true any more.
        return of.state == "interrupted" ? std::nullopt : of.seconds_left;
      });
  Builder held(families, MetricType::kCounter, "backfill_held_seconds_total",
               "Time for which a signal held the backfill back, since its last run began.");
  for (const BackfillInfo& of : figures.backfills) {
    for (const auto& [signal, ms] : of.held_ms) {
      Labels all = labels(of);
      all.emplace_back("signal", signal);
      held.Add(std::move(all), Seconds(ms));
    }
  }
}

void AddLeaseAndFreezes(const Figures& figures, std::vector<Family>& families) {
  Builder(families, MetricType::kGauge, "lease_held", "1 while a runner holds the lease.")
      .Add({}, figures.lease.is_held ? 1 : 0);
  {
    Builder left(families, MetricType::kGauge, "lease_remaining_seconds",
                 "Time until the lease runs out unless it is renewed; absent without a holder.");
    if (figures.lease.is_held && figures.lease.expires_at.has_value()) {
      left.Add({}, absl::ToDoubleSeconds(*figures.lease.expires_at - figures.now));
    }
  }
  {
    Builder since(families, MetricType::kGauge, "lease_acquired_timestamp_seconds",
                  "When the holder of the lease took it, by the database's clock.");
    if (figures.lease.is_held && figures.lease.acquired_at.has_value()) {
      since.Add({}, absl::ToDoubleSeconds(*figures.lease.acquired_at - absl::UnixEpoch()));
    }
  }
  Builder(families, MetricType::kGauge, "freezes_open", "Freeze windows that hold runs now.")
      .Add({}, static_cast<std::int64_t>(figures.open_freezes.size()));
  Builder left(families, MetricType::kGauge, "freeze_remaining_seconds",
               "Time until the last open freeze window ends; absent when none is open.");
  if (!figures.open_freezes.empty()) {
    left.Add({}, absl::ToDoubleSeconds(figures.open_freezes.front().ends_at - figures.now));
  }
}

void AddServer(const Figures& figures, std::vector<Family>& families) {
  Builder(families, MetricType::kGauge, "oldest_transaction_seconds",
          "Age of the database's oldest open transaction; 0 without one, absent when the role may "
          "not see sessions (pg_read_all_stats).")
      .AddIfKnown({}, figures.oldest_transaction_seconds);
  Builder(families, MetricType::kGauge, "sessions_idle_in_transaction",
          "Sessions of the database that keep a transaction open and do nothing.")
      .AddIfKnown({}, figures.idle_in_transaction);
  Builder(families, MetricType::kGauge, "oldest_prepared_transaction_seconds",
          "Age of the database's oldest prepared transaction; 0 without one.")
      .Add({}, figures.oldest_prepared_seconds);
  Builder(families, MetricType::kGauge, "prepared_transactions",
          "Prepared transactions of the database.")
      .Add({}, figures.prepared_transactions);
  Builder(families, MetricType::kGauge, "replica_lag_seconds",
          "Replay lag of the slowest streaming standby; 0 without standbys, absent when unknown.")
      .AddIfKnown({}, figures.replica_lag_seconds);
  {
    Builder retained(families, MetricType::kGauge, "replication_slot_retained_bytes",
                     "Write-ahead log that the server keeps for the replication slot.");
    for (const SlotFigures& slot : figures.slots) {
      retained.Add({{"slot", slot.name}}, slot.retained_bytes);
    }
  }
  Builder active(families, MetricType::kGauge, "replication_slot_active",
                 "1 while somebody reads from the replication slot.");
  for (const SlotFigures& slot : figures.slots) {
    active.Add({{"slot", slot.name}}, slot.is_active ? 1 : 0);
  }
}

void AddWebhook(const Figures& figures, std::vector<Family>& families) {
  const auto add = [&](MetricType type, const char* name, const char* help, auto member) {
    Builder builder(families, type, name, help);
    if (figures.webhook.has_value()) builder.Add({}, (*figures.webhook).*member);
  };
  add(MetricType::kCounter, "webhook_delivered_total", "Events that the webhook's receiver took.",
      &WebhookFigures::delivered);
  add(MetricType::kCounter, "webhook_undeliverable_total",
      "Events that were given up; migration.webhook_undeliverable has them.",
      &WebhookFigures::undeliverable);
  add(MetricType::kCounter, "webhook_failed_attempts_total",
      "Attempts that the webhook's receiver did not take.", &WebhookFigures::failed_attempts);
  add(MetricType::kGauge, "webhook_runs_behind", "Runs whose next event waits for another attempt.",
      &WebhookFigures::runs_behind);
}

}  // namespace

std::vector<Family> FamiliesOf(const Figures& figures) {
  std::vector<Family> families;
  AddServices(figures, families);
  AddRuns(figures, families);
  AddLocks(figures, families);
  AddBackfills(figures, families);
  AddLeaseAndFreezes(figures, families);
  AddServer(figures, families);
  AddWebhook(figures, families);
  return families;
}

Family UpFamily(bool is_up) {
  return {.name = "lockstep_up",
          .help = "1 when the ledger could be read for this scrape; without it all else is absent.",
          .type = MetricType::kGauge,
          .samples = {{.value = is_up ? 1.0 : 0.0}}};
}

}  // namespace lockstep::migration
