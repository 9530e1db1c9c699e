#include "services/migration/engine/run/plan_notes.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/lint/plan_lint.h"
#include "services/migration/engine/run/plan_notes_partitioned.h"
#include "services/migration/engine/run/standby_spacing.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {
namespace {

constexpr char kReplication[] =
    "SELECT 'subscriber' AS kind, s.slot_name::text AS name FROM pg_replication_slots AS s"
    " WHERE s.slot_type = 'logical' AND s.database = current_database() AND NOT s.temporary"
    " UNION ALL"
    " SELECT 'standby', coalesce(nullif(r.application_name, ''), r.client_addr::text, 'unnamed')"
    "   FROM pg_stat_replication AS r WHERE ";

// What the scripts say, before the catalog is asked.
struct Reading {
  std::vector<ComingStep> closing;  // steps that take ACCESS EXCLUSIVE
  std::set<std::string> closed;     // on these
  std::vector<ComingStep> adding;   // columns or tables, or changing them
  std::vector<ComingStep> dropping;
};

void ReadChanges(const ComingStep& coming, Reading& reading) {
  const ScriptFacts& facts = coming.script->facts;
  const bool drops = !facts.tables_dropped.empty() || !facts.columns_dropped.empty();
  const bool changes = std::any_of(facts.tags.begin(), facts.tags.end(), [](const auto& tag) {
    return tag == "CREATE TABLE" || tag == "ALTER TABLE";
  });
  if (drops) {
    reading.dropping.push_back(coming);
  } else if (changes) {
    reading.adding.push_back(coming);
  }
}

Reading Read(const RelationNames& was_there, const std::vector<ComingStep>& steps) {
  Reading reading;
  const auto is_known = [&](const std::string& name) { return was_there.contains(name); };
  for (const ComingStep& coming : steps) {
    const ScriptFacts& facts = coming.script->facts;
    ReadChanges(coming, reading);
    // Thousands of steps that make tables of their own need no second reading.
    if (std::none_of(facts.written.begin(), facts.written.end(), is_known)) continue;
    bool closes = false;
    for (const StatementLocks& statement : ClassifyStatements(*coming.script)) {
      for (const RelationLock& lock : statement.locks) {
        if (lock.mode != LockMode::kAccessExclusive || !is_known(lock.qualified())) continue;
        closes = true;
        reading.closed.insert(lock.qualified());
      }
    }
    if (closes) reading.closing.push_back(coming);
  }
  return reading;
}

// Going up such a step is refused.
absl::Status AddForbidden(pg::Connection& connection, const RelationNames& was_there,
                          const std::vector<ComingStep>& steps, std::vector<PlanNote>& notes) {
  ASSIGN_OR_RETURN(const std::vector<LintFinding> forbidden,
                   FindForbidden(connection, was_there, steps, Direction::kDown));
  for (const LintFinding& finding : forbidden) {
    PlanNote& note = notes.emplace_back();
    note.kind = "forbidden_online";
    note.revision = finding.revision;
    note.step = finding.step;
    const auto coming = std::find_if(steps.begin(), steps.end(), [&](const ComingStep& each) {
      return each.revision->id == finding.revision && each.step->ordinal == finding.step;
    });
    if (coming != steps.end()) note.step_name = coming->step->name;
    note.what = ForbiddenText(finding);
    note.table = finding.object;
    note.rows = finding.rows;
  }
  return absl::OkStatus();
}

std::string ListOf(const std::vector<ComingStep>& steps) {
  return absl::StrJoin(steps, ", ", [](std::string* out, const ComingStep& coming) {
    *out += coming.revision->id + " " + coming.step->name;
  });
}

absl::Status AddReplication(pg::Connection& connection, const Reading& reading,
                            std::vector<PlanNote>& notes) {
  if (reading.closing.empty() && reading.adding.empty() && reading.dropping.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(std::string(kReplication) + kIsPhysical + " ORDER BY 1, 2"));
  std::vector<std::string> standbys;
  std::vector<std::string> subscribers;
  for (const pg::Row row : rows) {
    (row.Text("kind") == "standby" ? standbys : subscribers).push_back(row.Text("name"));
  }
  const auto add = [&](std::string kind, std::string what) {
    PlanNote& note = notes.emplace_back();
    note.kind = std::move(kind);
    note.what = std::move(what);
  };
  if (!standbys.empty() && !reading.closing.empty()) {
    add("standby", "queries on " + absl::StrJoin(reading.closed, ", ") + " at the standbys " +
                       absl::StrJoin(standbys, ", ") +
                       " hold up replay, and are cancelled after max_standby_streaming_delay, when "
                       "ACCESS EXCLUSIVE arrives there, of: " +
                       ListOf(reading.closing));
  }
  if (subscribers.empty()) return absl::OkStatus();
  const std::string who = "logical replication (slots " + absl::StrJoin(subscribers, ", ") + "): ";
  if (!reading.adding.empty()) {
    add("subscriber",
        who + "what is added must be at the subscriber first: " + ListOf(reading.adding));
  }
  if (!reading.dropping.empty()) {
    add("subscriber", who + "what is dropped goes here first, at the subscriber afterwards: " +
                          ListOf(reading.dropping));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<ComingStep> ComingUp(const Graph& graph, const Plan& plan) {
  std::vector<ComingStep> coming;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      coming.push_back({&revision, &revision.steps[index], &revision.steps[index].up});
    }
  }
  return coming;
}

std::vector<ComingStep> ComingDown(const Graph& graph, const Plan& plan, const UndoScripts& undos) {
  std::vector<ComingStep> coming;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      coming.push_back({&revision, &step, &undos.at({revision.id, step.ordinal})});
    }
  }
  return coming;
}

std::vector<PlanNote> FindNotes(pg::Connection& connection, const RelationNames& was_there,
                                const std::vector<ComingStep>& steps, Direction direction) {
  const Reading reading = Read(was_there, steps);
  std::vector<PlanNote> notes;
  absl::Status found = direction == Direction::kDown
                           ? AddForbidden(connection, was_there, steps, notes)
                           : absl::OkStatus();
  if (found.ok()) found = AddPartitioned(connection, was_there, steps, notes);
  if (found.ok()) found = AddReplication(connection, reading, notes);
  if (!found.ok()) {
    PlanNote& unknown = notes.emplace_back();
    unknown.kind = "unknown";
    unknown.what = "sizes of tables and replicas could not be read: " + MessageOf(found);
  }
  return notes;
}

void EmitNotes(RunSession& session, const std::vector<ComingStep>& steps, Direction direction) {
  if (!session.was_there.has_value()) return;
  for (PlanNote& note : FindNotes(session.connection, *session.was_there, steps, direction)) {
    Happening warning;
    warning.kind = "warning";
    warning.message = std::move(note.what);
    warning.revision = std::move(note.revision);
    warning.step = note.step;
    warning.step_name = std::move(note.step_name);
    warning.details["about"] = note.kind;
    if (!note.table.empty()) {
      warning.details["table"] = note.table;
      warning.details["rows"] = note.rows;
    }
    session.journal.Emit(std::move(warning));
  }
}

}  // namespace lockstep::migration
