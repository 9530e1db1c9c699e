#include "services/migration/engine/run/restore_point.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kLongestName = 63;
constexpr char kGrantIt[] =
    "let lockstep_migrator EXECUTE pg_create_restore_point(text); lockstep bootstrap does it";

struct Archiving {
  bool is_on = false;
  bool is_permitted = false;
};

absl::StatusOr<Archiving> LookAtArchiving(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT current_setting('archive_mode') IN ('on', 'always') AS is_on,"
                       "       has_function_privilege('pg_create_restore_point(text)', 'EXECUTE')"
                       "         AS is_permitted"));
  return Archiving{.is_on = rows[0].Get<bool>("is_on"),
                   .is_permitted = rows[0].Get<bool>("is_permitted")};
}

}  // namespace

std::string RestorePointName(std::string_view revision, int ordinal, std::string_view run_id) {
  const std::string head = "lockstep ";
  const std::string tail = absl::StrFormat(" %d %s", ordinal, run_id.substr(0, 8));
  const std::size_t room = kLongestName - head.size() - tail.size();
  return head + std::string(revision.substr(0, room)) + tail;
}

absl::Status MarkRestorePoint(RunSession& session, const StepTask& task) {
  if (task.direction != Direction::kUp || task.revision.phase != Phase::kContract) {
    return absl::OkStatus();
  }
  pg::Connection& connection = session.connection;
  const std::string name =
      RestorePointName(task.revision.id, task.step.ordinal, session.journal.run_id());
  const auto warn = [&](const std::string& why) {
    session.journal.Emit(
        task.Event("warning", "restore point \"" + name + "\" was not written: " + why));
  };
  ASSIGN_OR_RETURN(const Archiving archiving, LookAtArchiving(connection));
  if (!archiving.is_on) return absl::OkStatus();
  if (!archiving.is_permitted) {
    warn(kGrantIt);
    return absl::OkStatus();
  }
  const auto written = connection.Query("SELECT pg_create_restore_point($1)::text AS lsn", name);
  if (!written.ok()) {
    if (connection.is_lost()) return written.status();
    warn(DescribeDatabaseError(written.status()));
    return absl::OkStatus();
  }
  const std::string lsn = (*written)[0].Text("lsn");
  Happening marked = task.Event("restore_point", "restore point \"" + name + "\" at " + lsn);
  marked.details["name"] = name;
  marked.details["lsn"] = lsn;
  session.journal.Emit(std::move(marked));
  return absl::OkStatus();
}

void AddRestorePointNote(pg::Connection& connection, const std::vector<ComingStep>& steps,
                         std::vector<PlanNote>& notes) {
  const auto contracts = std::ranges::count_if(
      steps, [](const ComingStep& coming) { return coming.revision->phase == Phase::kContract; });
  if (contracts == 0) return;
  PlanNote& note = notes.emplace_back();
  const auto archiving = LookAtArchiving(connection);
  if (!archiving.ok()) {
    note.kind = "unknown";
    note.what = "whether WAL is archived could not be read: " + MessageOf(archiving.status());
    return;
  }
  note.kind = "restore_point";
  if (!archiving->is_on) {
    note.what = "no WAL archive: no restore points; take a backup with --backup";
  } else if (!archiving->is_permitted) {
    note.what = std::string("no restore points: ") + kGrantIt;
  } else {
    note.what = absl::StrFormat("a named restore point is written before each of %d contract steps",
                                contracts);
  }
}

}  // namespace lockstep::migration
