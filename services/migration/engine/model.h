// The nouns of the migration engine: revisions, steps, releases. Plain values, no I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/migration/engine/problem.h"

namespace lockstep::migration {

// In the order in which a run takes them. kLegacy: imported from another tool's history.
enum class Phase { kLegacy, kExpand, kMigrate, kContract };
enum class StepKind { kTransactional, kNonTransactional, kPrivileged, kBackfill, kViewRewrite };
enum class Direction { kUp, kDown };

// One column of one table; `table` is schema-qualified ("products.inventory").
struct ColumnName {
  std::string table;
  std::string column;

  friend bool operator==(const ColumnName&, const ColumnName&) = default;
};

// An index that a script builds CONCURRENTLY, as the parser sees it.
struct IndexBuild {
  std::string schema;      // of the table, and so of the index
  std::string name;        // without schema
  std::string table;       // without schema
  std::string definition;  // canonical: equal for every spelling of the same definition (see sql.h)

  friend bool operator==(const IndexBuild&, const IndexBuild&) = default;
};

// What the parser can tell about a script without running it. DO blocks and function bodies hide
// what they do. Names without a schema are PostgreSQL's own: a step's search_path finds no others.
// All names are schema-qualified, sorted and unique, except where said otherwise. Of an opaque
// script everything is empty.
struct ScriptFacts {
  std::vector<std::string>
      tags;  // command tag of each statement, in order: "ALTER TABLE", "UPDATE"
  std::vector<std::string>
      schemas;  // that a statement changes or reads, without pg_catalog and information_schema
  std::vector<std::string> written;  // tables, views, sequences that a statement creates, alters,
                                     // drops, or writes rows of
  std::vector<std::string>
      read;  // tables and views that a statement refers to without changing them
  std::vector<std::string> tables_dropped;     // DROP TABLE, DROP MATERIALIZED VIEW
  std::vector<ColumnName> columns_dropped;     // ALTER TABLE DROP COLUMN, in order
  std::vector<std::string> rows_destroyed_in;  // targets of UPDATE, DELETE, TRUNCATE, MERGE
  // "schema.relation" and "schema.relation.column" that a statement drops, renames, moves to
  // another schema or gives another type: SQL that names them does not work as before. What CASCADE
  // takes along is not among them.
  std::vector<std::string> taken;
  std::vector<IndexBuild> concurrent_indexes;  // CREATE INDEX CONCURRENTLY, in order
  // DO, CREATE FUNCTION, CALL, or the use of a function, operator, operator class or type that is
  // not PostgreSQL's own: the lists may be incomplete.
  bool has_hidden_code = false;
  // A statement is about a schema itself, or about all that is in it: GRANT .. ON SCHEMA, GRANT ..
  // ON ALL TABLES IN SCHEMA, COMMENT ON SCHEMA. What it changes is not in the lists.
  bool changes_schemas = false;
};

// Text of one SQL file, ready to run.
struct Script {
  std::string file;  // path relative to the migrations folder, for messages
  std::string text;  // byte order mark removed
  std::vector<std::string>
      statements;          // as the PostgreSQL parser splits them, without the semicolons
  std::vector<int> lines;  // 1-based line of `file` on which each statement starts
  bool is_opaque = false;  // the parser could not read it: sent whole as one statement
  ScriptFacts facts;
  std::string
      checksum;  // "v1:" + hex SHA-256 of its length-prefixed tokens; of an empty script as well
  bool empty() const { return statements.empty(); }
};

struct Limits {
  int lock_timeout_ms = 2'000;
  int statement_timeout_ms = 60'000;
  int retry_for_seconds = 600;

  friend bool operator==(const Limits&, const Limits&) = default;
};

// A column and the SQL expression that gives its value.
struct ColumnExpression {
  std::string column;
  std::string expression;
};

// When a backfill waits; negative = not asked (revision_spec.proto, HoldLimits).
struct HoldLimits {
  int replica_lag_seconds = 10;
  int wal_mb_per_second = 200;
  int lock_waiters = 3;
  int probe_ms = 100;
  int dead_rows_percent = 300;
  int transaction_age_millions = 1'000;
};

// See BackfillSpec in revision_spec.proto.
struct Backfill {
  std::string table;                  // "schema.table"; "" = none
  std::vector<std::string> key;       // columns
  std::vector<ColumnExpression> set;  // empty: the up file holds the statement
  std::string where;                  // "" = every row
  std::vector<ColumnExpression> set_back;
  std::string trigger;  // "" = uncovered
  std::string uncovered_reason;
  std::string undo_sql;  // text of the down file; "" = none
  int start_rows = 1'000;
  int min_rows = 50;
  int max_rows = 50'000;
  int target_ms = 200;
  int pause_ms = 0;
  int workers = 1;
  HoldLimits hold;
};

struct ComparedRows {
  std::string relation;  // "schema.name"
  std::string where;
};

struct Tolerance {
  std::string column;
  std::string within;  // a decimal number
};

struct ComparedView {
  std::string view;  // "schema.name"
  bool without_limit = false;
  std::vector<std::string> except_columns;
  std::vector<std::string> key;
  std::vector<Tolerance> tolerances;
  std::vector<std::string> retyped_columns;
};

// See ViewRewriteSpec in revision_spec.proto.
struct ViewRewrite {
  std::vector<ComparedRows> rows;
  std::vector<ComparedView> views;
};

struct Step {
  int ordinal = 1;  // 1-based position in the revision
  std::string name;
  std::string description;
  StepKind kind = StepKind::kTransactional;
  Script up;
  Script down;
  Script expect;  // empty when the step has none
  Limits limits;
  // Of kBackfill: `up` is the statement of one batch, with $1 and $2 for :lo and :hi; `down` drops
  // the trigger first; `expect` is asked for every range, with $1 and $2, when it has them.
  Backfill backfill;
  ViewRewrite view_rewrite;  // of kViewRewrite
  std::string copy_data;     // what `up`, one COPY FROM STDIN, reads; "" = none
  // "v1:" + hex, over kind, name, up, down, expect, backfill or view rewrite (checksum.h)
  std::string checksum;
};

struct DestroyedData {
  std::string table;
  std::vector<std::string> key;
  std::vector<std::string> columns;
  std::string where;
};

struct IndexText {
  std::vector<std::string> key_changes;
  std::string impact;
  std::vector<std::string> next_steps;
  std::vector<std::string> rollback_hazards;
};

struct LintSuppression {
  std::string rule;
  std::string reason;
  std::string expires;  // "" = for good
};

struct Revision {
  std::string id;
  std::vector<std::string> aliases;
  std::string title;
  std::string service;
  std::string folder;                      // relative to the migrations folder
  std::vector<std::string> down_revision;  // ids, aliases resolved
  std::vector<std::string> depends_on;     // ids, aliases resolved
  std::string created;
  Phase phase = Phase::kExpand;
  std::string oldest_build;
  int soak_seconds = 0;  // how long a CONTRACT waits after taking access away (soak.h)
  std::vector<std::string> search_path;  // of kLegacy: schemas, and "$user"
  std::vector<Step> steps;
  std::vector<std::string> references;
  std::vector<std::string> supersedes_verify;  // ids, aliases resolved
  std::string irreversible_reason;             // empty: reversible
  std::string archive_forbidden_reason;        // empty: archiving is allowed
  std::vector<DestroyedData> destroys;
  IndexText index;
  std::vector<LintSuppression> suppressions;
  Script verify;  // each statement returns violations; no rows = holds
  Script
      guard;  // each statement returns what an undo would destroy; empty when the revision has none
  std::string checksum;  // "v1:" + hex, over identity, rules, steps, verify and guard (checksum.h)
};

struct PendingWork {
  std::string priority;
  std::string text;
};

struct Release {
  std::string name;
  std::string date;
  std::string title;
  std::vector<std::string> revisions;  // ids that are new in this release, aliases resolved
  std::vector<PendingWork> pending;
};

// What a repeatable definition creates.
struct RepeatableObject {
  std::string kind;      // view, function, procedure
  std::string name;      // "core.stock", as facts and uses name it
  std::string identity;  // SQL: "core.stock", "core.price(pg_catalog.int4,pg_catalog.text[])"

  friend bool operator==(const RepeatableObject&, const RepeatableObject&) = default;
};

// A definition that is kept as it should be now, and applied whenever its text changes:
// <service>/repeatable/<name>.sql.
struct Repeatable {
  std::string service;
  std::string name;
  Script script;                          // its checksum is what changes
  std::vector<RepeatableObject> objects;  // in the order in which the script creates them
  std::vector<std::string> references;    // of other owners, "core.platforms": "-- references:"
  std::vector<std::string> after;         // keys of those that have to be applied before it, sorted

  std::string key() const { return service + "/" + name; }
};

// Everything that a migrations folder defines, validated. Revisions are in the deterministic global
// order: parents and dependencies first, ties broken by release, then service, then id.
struct Definitions {
  std::string root;  // absolute path of the migrations folder
  std::vector<Revision> revisions;
  std::vector<Release> releases;
  std::vector<Repeatable> repeatables;  // each after those that it needs
  std::vector<Problem> warnings;        // sorted: what is odd about it, but no reason to refuse it
};

}  // namespace lockstep::migration
