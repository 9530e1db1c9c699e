// Definitions as bytes and back, for the cache only: the form may change with every build.
// Internal.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "services/migration/engine/definition_cache.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"

namespace lockstep::migration {

// Appends values to bytes.
class ArchiveWriter {
 public:
  template <typename... T>
  void operator()(const T&... values) {
    (Put(values), ...);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  template <typename T>
  void Put(const T& value);

  std::string bytes_;
};

// Takes values from bytes. After the first one that does not fit every value is empty and ok() is
// false.
class ArchiveReader {
 public:
  explicit ArchiveReader(std::string_view bytes) : left_(bytes) {}
  template <typename... T>
  void operator()(T&... values) {
    (Get(values), ...);
  }
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }

 private:
  template <typename T>
  void Get(T& value);
  std::string_view Take(std::uint64_t size) {
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
  bool ok_ = true;
};

// The members of each type, named once for both directions.
template <typename Archive, typename T>
void Members(Archive& archive, T& value) {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Plain, ColumnName>) {
    archive(value.table, value.column);
  } else if constexpr (std::is_same_v<Plain, IndexBuild>) {
    archive(value.schema, value.name, value.table, value.definition);
  } else if constexpr (std::is_same_v<Plain, ScriptFacts>) {
    archive(value.tags, value.schemas, value.written, value.read, value.tables_dropped,
            value.columns_dropped, value.rows_destroyed_in, value.taken, value.concurrent_indexes,
            value.has_hidden_code, value.changes_schemas);
  } else if constexpr (std::is_same_v<Plain, Script>) {
    archive(value.file, value.text, value.statements, value.lines, value.is_opaque, value.facts,
            value.checksum);
  } else if constexpr (std::is_same_v<Plain, Limits>) {
    archive(value.lock_timeout_ms, value.statement_timeout_ms, value.retry_for_seconds);
  } else if constexpr (std::is_same_v<Plain, Step>) {
    archive(value.ordinal, value.name, value.description, value.kind, value.up, value.down,
            value.expect, value.limits, value.backfill, value.view_rewrite, value.copy_data,
            value.checksum);
  } else if constexpr (std::is_same_v<Plain, Backfill>) {
    archive(value.table, value.key, value.set, value.where, value.set_back, value.trigger,
            value.uncovered_reason, value.undo_sql, value.start_rows, value.min_rows,
            value.max_rows, value.target_ms, value.pause_ms, value.workers, value.hold);
  } else if constexpr (std::is_same_v<Plain, ViewRewrite>) {
    archive(value.rows, value.views);
  } else if constexpr (std::is_same_v<Plain, ComparedRows>) {
    archive(value.relation, value.where);
  } else if constexpr (std::is_same_v<Plain, ComparedView>) {
    archive(value.view, value.without_limit, value.except_columns, value.key, value.tolerances,
            value.retyped_columns);
  } else if constexpr (std::is_same_v<Plain, Tolerance>) {
    archive(value.column, value.within);
  } else if constexpr (std::is_same_v<Plain, ColumnExpression>) {
    archive(value.column, value.expression);
  } else if constexpr (std::is_same_v<Plain, HoldLimits>) {
    archive(value.replica_lag_seconds, value.wal_mb_per_second, value.lock_waiters, value.probe_ms,
            value.dead_rows_percent, value.transaction_age_millions);
  } else if constexpr (std::is_same_v<Plain, DestroyedData>) {
    archive(value.table, value.key, value.columns, value.where);
  } else if constexpr (std::is_same_v<Plain, IndexText>) {
    archive(value.key_changes, value.impact, value.next_steps, value.rollback_hazards);
  } else if constexpr (std::is_same_v<Plain, LintSuppression>) {
    archive(value.rule, value.reason, value.expires);
  } else if constexpr (std::is_same_v<Plain, Revision>) {
    archive(value.id, value.aliases, value.title, value.service, value.folder, value.down_revision,
            value.depends_on, value.created, value.phase, value.oldest_build, value.soak_seconds,
            value.search_path, value.steps, value.references, value.supersedes_verify,
            value.irreversible_reason, value.archive_forbidden_reason, value.destroys, value.index,
            value.suppressions, value.verify, value.guard, value.checksum);
  } else if constexpr (std::is_same_v<Plain, PendingWork>) {
    archive(value.priority, value.text);
  } else if constexpr (std::is_same_v<Plain, Release>) {
    archive(value.name, value.date, value.title, value.revisions, value.pending);
  } else if constexpr (std::is_same_v<Plain, Definitions>) {
    archive(value.root, value.revisions, value.releases, value.repeatables);
  } else if constexpr (std::is_same_v<Plain, RepeatableObject>) {
    archive(value.kind, value.name, value.identity);
  } else if constexpr (std::is_same_v<Plain, Repeatable>) {
    archive(value.service, value.name, value.script, value.objects, value.references, value.after);
  } else if constexpr (std::is_same_v<Plain, Problem>) {
    archive(value.file, value.line, value.column, value.code, value.message);
  } else {
    static_assert(std::is_same_v<Plain, FileStamp>);
    archive(value.path, value.size, value.modified_ns, value.changed_ns, value.inode,
            value.is_directory);
  }
}

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
void ArchiveWriter::Put(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    Put(static_cast<std::uint64_t>(value.size()));
    bytes_.append(value);
  } else if constexpr (IsVector<T>::value) {
    Put(static_cast<std::uint64_t>(value.size()));
    for (const auto& element : value) Put(element);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  } else {
    Members(*this, value);
  }
}

template <typename T>
void ArchiveReader::Get(T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    std::uint64_t size = 0;
    Get(size);
    value = Take(size);
  } else if constexpr (IsVector<T>::value) {
    std::uint64_t size = 0;
    Get(size);
    // Every element takes at least one byte, so a damaged number cannot ask for more memory than
    // the file has.
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return;
    }
    value.resize(size);
    for (auto& element : value) Get(element);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    const std::string_view bytes = Take(sizeof(value));
    if (bytes.size() == sizeof(value)) std::memcpy(&value, bytes.data(), sizeof(value));
  } else {
    Members(*this, value);
  }
}

}  // namespace lockstep::migration
