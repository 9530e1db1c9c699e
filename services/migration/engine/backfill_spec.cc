#include "services/migration/engine/backfill_spec.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "services/migration/engine/backfill.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/spec_rules.h"

namespace lockstep::migration {
namespace {

constexpr char kInvalid[] = "BACKFILL_INVALID";
constexpr int kMostRows = 1'000'000;
constexpr int kMostMilliseconds = 60'000;
constexpr int kMostWorkers = 8;

class Reader {
 public:
  Reader(const v1::BackfillSpec& from, std::string_view service, const RefuseBackfill& refuse)
      : from_(from), service_(service), refuse_(refuse) {}

  Backfill Read() {
    ReadTable();
    backfill_.where = from_.where();
    backfill_.set = ReadColumns(from_.set(), "set");
    backfill_.set_back = ReadColumns(from_.set_back(), "set_back");
    ReadTrigger();
    CheckInputs();
    CheckFunctions();
    ReadSizes();
    ReadHold();
    return std::move(backfill_);
  }

 private:
  void Refuse(std::string message) { refuse_(kInvalid, std::move(message)); }

  void ReadTable() {
    backfill_.table = from_.table();
    if (!IsQualifiedName(backfill_.table) ||
        OwnerOf(backfill_.table.substr(0, backfill_.table.find('.'))) != service_) {
      Refuse("\"" + backfill_.table + "\" must be a table of the service, with its schema");
    }
    backfill_.key = {from_.key().begin(), from_.key().end()};
    if (backfill_.key.empty()) Refuse("key is required: batches are ranges of it");
    CheckNames(backfill_.key, "key");
  }

  void CheckNames(const std::vector<std::string>& names, const char* field) {
    std::set<std::string> seen;
    for (const std::string& name : names) {
      if (!IsIdentifier(name)) {
        Refuse(std::string(field) + ": \"" + name + "\" must be the name of a column");
      }
      if (!seen.insert(name).second)
        Refuse(std::string(field) + ": " + name + " stands there twice");
    }
  }

  template <typename List>
  std::vector<ColumnExpression> ReadColumns(const List& list, const char* field) {
    std::vector<ColumnExpression> columns;
    std::vector<std::string> names;
    for (const v1::ColumnExpression& column : list) {
      columns.push_back({column.column(), column.expression()});
      names.push_back(column.column());
      if (column.expression().empty()) {
        Refuse(std::string(field) + ": " + column.column() + " needs an expression");
      }
    }
    CheckNames(names, field);
    return columns;
  }

  void ReadTrigger() {
    backfill_.trigger = from_.trigger();
    backfill_.uncovered_reason = from_.uncovered_reason();
    if (!backfill_.trigger.empty() && !IsIdentifier(backfill_.trigger)) {
      Refuse("trigger \"" + backfill_.trigger + "\" must match [a-z_][a-z0-9_]*");
    }
    if (backfill_.trigger.empty() == backfill_.uncovered_reason.empty()) {
      Refuse(
          "either a trigger covers rows that are written meanwhile, or uncovered_reason says why "
          "none is needed");
    }
    if (backfill_.set.empty() && !backfill_.trigger.empty()) {
      Refuse(
          "a trigger can only be made from `set`; make your own in a step before, and say so in "
          "uncovered_reason");
    }
    if (!backfill_.set_back.empty() && (backfill_.set.empty() || backfill_.trigger.empty())) {
      Refuse("set_back needs `set` and a trigger: it is the trigger that goes both ways");
    }
  }

  // A column that is computed from itself changes again with every application.
  void CheckInputs() {
    std::set<std::string> targets;
    for (const ColumnExpression& column : backfill_.set) targets.insert(column.column);
    const auto check = [&](const std::string& sql, const std::string& where_from,
                           const std::set<std::string>& forbidden) {
      for (const std::string& input : ColumnsOf(sql)) {
        if (forbidden.contains(input)) {
          Refuse(where_from + " reads " + input +
                 ", which the backfill writes: applied twice it would change twice");
        }
      }
    };
    for (const ColumnExpression& column : backfill_.set) {
      check(column.expression, "set: " + column.column, targets);
    }
    if (!backfill_.where.empty()) check(backfill_.where, "where", targets);
    std::set<std::string> old;
    for (const ColumnExpression& column : backfill_.set_back) {
      old.insert(column.column);
      if (targets.contains(column.column)) Refuse(column.column + " is in set and in set_back");
    }
    for (const ColumnExpression& column : backfill_.set_back) {
      check(column.expression, "set_back: " + column.column, old);
    }
    for (const std::string& column : backfill_.key) {
      if (targets.contains(column) || old.contains(column)) {
        Refuse("key column " + column + " is in set or set_back");
      }
    }
  }

  // What depends on anything but the row would differ between the batch, the trigger and the check.
  void CheckFunctions() {
    const auto check = [&](const std::string& sql) {
      if (sql.find("$lockstep$") != std::string::npos) {
        Refuse("an expression may not contain $lockstep$");
      }
      for (const std::string& function : FunctionsOf(sql)) {
        constexpr std::string_view kOfTheMoment[] = {kSubquery, "now", "transaction_timestamp",
                                                     "statement_timestamp", "current_setting"};
        if (std::ranges::find(kOfTheMoment, function) != std::end(kOfTheMoment)) {
          Refuse("an expression may only depend on the row itself, not on " + function);
        }
      }
    };
    check(backfill_.where);
    for (const ColumnExpression& column : backfill_.set) check(column.expression);
    for (const ColumnExpression& column : backfill_.set_back) check(column.expression);
  }

  void Take(const char* field, int value, int least, int most, int& to) {
    if (value == 0) return;
    if (value < least || value > most) {
      Refuse(std::string(field) + " must be from " + std::to_string(least) + " to " +
             std::to_string(most));
    } else {
      to = value;
    }
  }

  void ReadSizes() {
    const v1::BatchSize& batch = from_.batch();
    Take("batch.start_rows", batch.start_rows(), 1, kMostRows, backfill_.start_rows);
    Take("batch.min_rows", batch.min_rows(), 1, kMostRows, backfill_.min_rows);
    Take("batch.max_rows", batch.max_rows(), 1, kMostRows, backfill_.max_rows);
    Take("batch.target_ms", batch.target_ms(), 10, kMostMilliseconds, backfill_.target_ms);
    Take("batch.pause_ms", batch.pause_ms(), 0, kMostMilliseconds, backfill_.pause_ms);
    Take("workers", from_.workers(), 1, kMostWorkers, backfill_.workers);
    // Who names one bound only means the others to fit.
    if (batch.min_rows() == 0)
      backfill_.min_rows = std::min(backfill_.min_rows, backfill_.max_rows);
    if (batch.max_rows() == 0)
      backfill_.max_rows = std::max(backfill_.max_rows, backfill_.min_rows);
    if (backfill_.min_rows > backfill_.max_rows) {
      Refuse("batch.min_rows is above batch.max_rows");
      return;
    }
    if (batch.start_rows() == 0) {
      backfill_.start_rows =
          std::clamp(backfill_.start_rows, backfill_.min_rows, backfill_.max_rows);
    } else if (backfill_.start_rows < backfill_.min_rows ||
               backfill_.start_rows > backfill_.max_rows) {
      Refuse("batch.start_rows must be between min_rows and max_rows");
    }
  }

  void ReadHold() {
    const v1::HoldLimits& hold = from_.hold();
    const auto take = [](int value, int& to) {
      if (value != 0) to = value;
    };
    take(hold.replica_lag_seconds(), backfill_.hold.replica_lag_seconds);
    take(hold.wal_mb_per_second(), backfill_.hold.wal_mb_per_second);
    take(hold.lock_waiters(), backfill_.hold.lock_waiters);
    take(hold.probe_ms(), backfill_.hold.probe_ms);
    take(hold.dead_rows_percent(), backfill_.hold.dead_rows_percent);
    take(hold.transaction_age_millions(), backfill_.hold.transaction_age_millions);
  }

  const v1::BackfillSpec& from_;
  const std::string_view service_;
  const RefuseBackfill& refuse_;
  Backfill backfill_;
};

}  // namespace

Backfill ReadBackfillSpec(const v1::BackfillSpec& from, std::string_view service,
                          const RefuseBackfill& refuse) {
  return Reader(from, service, refuse).Read();
}

}  // namespace lockstep::migration
