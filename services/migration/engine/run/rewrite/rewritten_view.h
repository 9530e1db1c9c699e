// The views of a rewrite, as they are and as they will be.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/rewrite/compared_query.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/view_script.h"

namespace lockstep::migration {

// One view as it is and as it will be.
struct RewrittenView {
  std::string schema;
  std::string name;
  // As pg_get_viewdef() prints them with the search path of steps.
  std::string old_definition;
  std::string new_definition;
  std::vector<ViewColumn> old_columns;
  std::vector<ViewColumn> new_columns;
  // Of the views that either definition reads, at any depth.
  std::vector<std::string> read_definitions;

  std::string view() const { return schema + "." + name; }
};

// What the views of `script` are and will be; the new ones are made under another name in a
// transaction that is rolled back. VIEW_MISSING, STEP_FAILED.
absl::StatusOr<std::vector<RewrittenView>> LookAtViews(RunSession& session, const StepTask& task,
                                                       const std::vector<ViewStatement>& script);

// As pg_get_viewdef() prints it with the search path of the session; "" = there is no such view.
absl::StatusOr<std::string> DefinitionOf(pg::Connection& connection, const std::string& schema,
                                         const std::string& name);

// Whether `status` is for RetryOnLocks or the run, rather than about the SQL of the step.
bool IsNotAboutSql(const RunSession& session, const absl::Status& status);

}  // namespace lockstep::migration
