// What was announced in the ledger before it was done outside of the ledger's transactions.
//
// A statement that refuses a transaction, and SQL that is printed for an administrator, cannot
// commit together with a ledger row. So the intent is recorded first and taken back in the
// transaction that records the end. An intent that is still there says: this was begun, and only
// the catalog knows how far it came.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Statements by their number in the script, from 1.
using Intents = std::map<int, std::string>;
absl::StatusOr<Intents> LoadIntents(pg::Connection& connection, const Revision& revision,
                                    int ordinal, Direction direction);

// "INSERT INTO migration.step_intents ...;\n"
std::string AnnounceSql(const RunSession& session, const StepTask& task, int number,
                        const std::string& statement);
// "DELETE FROM migration.step_intents ...;\n": those of one statement, of a step, of a revision
// together with what is known of its backfills.
std::string ForgetSql(const StepTask& task, Direction direction, int number);
std::string ForgetAllSql(const Revision& revision, int ordinal);
std::string ForgetRevisionSql(const Revision& revision);

// What the ledger says once a step is done that was announced: the step is there or gone, the
// revision is complete after its last step up, and no intent is left. A step whose undo was broken
// off keeps its row and its scripts as they were; only the log gets a line.
std::string RecordAnnouncedSql(const RunSession& session, const StepTask& task,
                               std::string_view duration_ms);

}  // namespace lockstep::migration
