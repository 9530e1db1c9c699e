#include "services/migration/engine/run/plan_notes.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/plan_notes_partitioned.h"
#include "services/migration/engine/run/standby_spacing.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {
namespace {

// $1 to $3: arrays of schema, name and, where a valid CHECK that it is not NULL spares the work, a
// column. The size of a table that was never analysed is taken at a hundred bytes a row.
constexpr char kSizes[] = R"(
WITH RECURSIVE asked AS (
    SELECT a.schema, a.name, a.column, coalesce(i.indrelid, c.oid) AS oid
      FROM unnest($1::text[], $2::text[], $3::text[]) AS a (schema, name, "column")
      JOIN pg_namespace AS n ON n.nspname = a.schema
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
      LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
), parts AS (
    SELECT oid AS root, oid FROM asked
    UNION
    SELECT p.root, i.inhrelid FROM parts AS p JOIN pg_inherits AS i ON i.inhparent = p.oid
), sizes AS (
    SELECT p.root, sum(CASE WHEN c.reltuples > 0 THEN c.reltuples
                            ELSE coalesce(pg_relation_size(c.oid), 0) / 100 END)::bigint AS rows
      FROM parts AS p JOIN pg_class AS c ON c.oid = p.oid
     WHERE c.relkind IN ('r', 'm')
     GROUP BY p.root
)
SELECT a.schema, a.name, a.column, s.rows
  FROM asked AS a JOIN sizes AS s ON s.root = a.oid
 WHERE a.column = ''
    OR NOT EXISTS (SELECT FROM pg_constraint AS k
                    WHERE k.conrelid = a.oid AND k.contype = 'c' AND k.convalidated
                      AND pg_get_constraintdef(k.oid) = format('CHECK ((%I IS NOT NULL))', a.column))
)";

constexpr char kReplication[] =
    "SELECT 'subscriber' AS kind, s.slot_name::text AS name FROM pg_replication_slots AS s"
    " WHERE s.slot_type = 'logical' AND s.database = current_database() AND NOT s.temporary"
    " UNION ALL"
    " SELECT 'standby', coalesce(nullif(r.application_name, ''), r.client_addr::text, 'unnamed')"
    "   FROM pg_stat_replication AS r WHERE ";

// A statement that works under a strong lock.
struct Work {
  ComingStep coming;
  StatementLocks statement;
};

// What the scripts say, before the catalog is asked.
struct Reading {
  std::vector<Work> works;
  std::vector<ComingStep> closing;  // steps that take ACCESS EXCLUSIVE
  std::set<std::string> closed;     // on these
  std::vector<ComingStep> adding;   // columns or tables, or changing them
  std::vector<ComingStep> dropping;
};

PlanNote NoteOn(const ComingStep& coming, std::string kind, std::string what) {
  PlanNote note;
  note.kind = std::move(kind);
  note.revision = coming.revision->id;
  note.step = coming.step->ordinal;
  note.step_name = coming.step->name;
  note.what = std::move(what);
  return note;
}

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
    for (StatementLocks& statement : ClassifyStatements(*coming.script)) {
      for (const RelationLock& lock : statement.locks) {
        if (lock.mode != LockMode::kAccessExclusive || !is_known(lock.qualified())) continue;
        closes = true;
        reading.closed.insert(lock.qualified());
      }
      if (statement.work.empty() ||
          !is_known(statement.worked_schema + "." + statement.worked_name)) {
        continue;
      }
      reading.works.push_back({coming, std::move(statement)});
    }
    if (closes) reading.closing.push_back(coming);
  }
  return reading;
}

std::string WorkText(const StatementLocks& statement, std::int64_t rows) {
  LockMode mode = LockMode::kShare;
  for (const RelationLock& lock : statement.locks) {
    if (lock.name == statement.worked_name && lock.schema == statement.worked_schema) {
      mode = std::max(mode, lock.mode);
    }
  }
  const bool closes = mode == LockMode::kAccessExclusive;
  return absl::StrFormat(
      "%s: %s.%s has about %d rows, under a %s lock; whoever %s waits until it is done",
      statement.work, statement.worked_schema, statement.worked_name, rows,
      std::string(ToText(mode)), closes ? "reads or writes it" : "writes it");
}

absl::Status AddWorks(pg::Connection& connection, const Reading& reading,
                      std::vector<PlanNote>& notes) {
  if (reading.works.empty()) return absl::OkStatus();
  std::set<std::tuple<std::string, std::string, std::string>> asked;
  for (const Work& work : reading.works) {
    asked.insert(
        {work.statement.worked_schema, work.statement.worked_name, work.statement.not_null_column});
  }
  std::array<std::vector<std::string>, 3> columns;
  for (const auto& [schema, name, column] : asked) {
    columns[0].push_back(schema);
    columns[1].push_back(name);
    columns[2].push_back(column);
  }
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(kSizes, pg::ArrayLiteral(columns[0]),
                                    pg::ArrayLiteral(columns[1]), pg::ArrayLiteral(columns[2])));
  for (const Work& work : reading.works) {
    for (const pg::Row row : rows) {
      const std::int64_t count = row.Get<std::int64_t>("rows");
      const StatementLocks& statement = work.statement;
      if (count <= kSmallTableRows || row.Text("schema") != statement.worked_schema ||
          row.Text("name") != statement.worked_name ||
          row.Text("column") != statement.not_null_column) {
        continue;
      }
      PlanNote note = NoteOn(work.coming, "forbidden_online", WorkText(statement, count));
      note.table = statement.worked_schema + "." + statement.worked_name;
      note.rows = count;
      notes.push_back(std::move(note));
    }
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
                                const std::vector<ComingStep>& steps) {
  const Reading reading = Read(was_there, steps);
  std::vector<PlanNote> notes;
  absl::Status found = AddWorks(connection, reading, notes);
  if (found.ok()) found = AddPartitioned(connection, was_there, steps, notes);
  if (found.ok()) found = AddReplication(connection, reading, notes);
  if (!found.ok()) {
    PlanNote& unknown = notes.emplace_back();
    unknown.kind = "unknown";
    unknown.what = "sizes of tables and replicas could not be read: " + MessageOf(found);
  }
  return notes;
}

void EmitNotes(RunSession& session, const std::vector<ComingStep>& steps) {
  if (!session.was_there.has_value()) return;
  for (PlanNote& note : FindNotes(session.connection, *session.was_there, steps)) {
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
