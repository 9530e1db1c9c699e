// The messages of a step, as SQL text. The runner sends them; the offline renderer prints the same
// ones. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

// SQL expressions for who runs: literals online, settings of the session in an offline script.
struct RunSql {
  std::string lease;  // the two arguments of assert_lease: "5,'4f0c...'"
  std::string run;    // uuid
  std::string actor;  // text
};

// The role that owns a service's schemas.
std::string OwnerRole(std::string_view service);

// "BEGIN; <role, limits, search_path, time zone>; assert_lease": the start of every step. Values
// last until COMMIT.
std::string BeginSql(const RunSql& run, const Limits& limits);
std::string EnterRoleSql(std::string_view role);

// Around the SQL of a PHASE_LEGACY, "" for others: names are found as its authors meant them, and
// what it set for itself goes before the engine looks at it. `StateSql` then tells the role only.
std::string EnterLegacySql(const Revision& revision);
std::string LeaveLegacySql(const Revision& revision, const Limits& limits);

struct PlainStep {
  const Revision* revision;
  const Step* step;
  bool is_last;  // it completes the revision
};

// Whole plain steps but for COMMIT, in one message, under `limits` instead of the steps' own:
// `events` is the argument that record_events() takes. kPlainStatementsBefore statements come
// before the scripts' own, kStatementsBetweenPlainSteps between two scripts. REQUIRES: one step at
// least; all have one owner and the same references.
inline constexpr int kPlainStatementsBefore = 3;
inline constexpr int kStatementsBetweenPlainSteps = 1;
std::string PlainStepsSql(const RunSql& run, const std::vector<PlainStep>& steps,
                          const Limits& limits, const std::string& extra_record_sql,
                          const std::string& events);

// An expression: role and limits as they are now, one text, in names that no search_path redirects.
// StateText is what it must be inside a step.
std::string_view StateSql();
std::string StateText(std::string_view role, const Limits& limits);

// A GUC in milliseconds the way PostgreSQL shows it: 2000 -> "2s".
std::string ShowMilliseconds(int ms);

// All statements, separated.
std::string JoinStatements(const std::vector<std::string>& statements);

// Deferred triggers fire now, where the checks see what they do; twice, because a trigger may defer
// others again.
inline constexpr char kFireConstraints[] =
    "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL IMMEDIATE;\n";

std::string RecordStepSql(const RunSql& run, const Revision& revision, const Step& step,
                          std::string_view duration_ms = "NULL");
// A line in the log for a step that is recorded as done and was done again.
std::string RecordAgainSql(const RunSql& run, const Revision& revision, const Step& step);
std::string RecordRevisionSql(const RunSql& run, const Revision& revision);
std::string BeginUndoSql(const Revision& revision);
std::string RecordUndoSql(const RunSql& run, const Revision& revision, const Step& step,
                          std::string_view duration_ms = "NULL");
std::string RecordChecksSql(const RunSql& run, const std::vector<VerificationResult>& checks);

}  // namespace lockstep::migration
