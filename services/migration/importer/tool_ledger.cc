#include "services/migration/importer/tool_ledger.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/importer/source_text.h"
#include "services/migration/importer/writer.h"

namespace lockstep::migration {
namespace {

// A version as the tool wrote it, and the name where it has no version.
struct Entry {
  std::string version;  // "" = a repeatable migration
  std::string name;
};

absl::Status Refuse(const char* reason, const std::string& message) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, message);
}

absl::Status NotATable(HistoryFormat format, const std::string& table) {
  return Refuse("TOOL_LEDGER_MISSING", table + " is not there or is no table of " +
                                           std::string(ToText(format)) +
                                           "; where it has another name, give --tool-table");
}

// Columns: version, name, is_broken. In the order in which they were applied.
std::string QueryOf(HistoryFormat format, const std::string& table) {
  switch (format) {
    case HistoryFormat::kGolangMigrate:
      return "SELECT version::text AS version, '' AS name, dirty AS is_broken FROM " + table;
    case HistoryFormat::kGoose:
      // The newest row of a version tells; version 0 is goose's own beginning.
      return "SELECT version, '' AS name, false AS is_broken FROM (SELECT DISTINCT ON (version_id)"
             " version_id::text AS version, is_applied, version_id FROM " +
             table +
             " WHERE version_id > 0 ORDER BY version_id, id DESC) AS t WHERE is_applied"
             " ORDER BY version_id";
    case HistoryFormat::kFlyway:
      // The newest row of a version tells, be it a migration or an undo.
      return "SELECT coalesce(version, '') AS version, description AS name,"
             " NOT success AS is_broken FROM (SELECT DISTINCT ON (coalesce(version, script))"
             " version, description, success, type, installed_rank FROM " +
             table +
             " WHERE type NOT IN ('SCHEMA', 'BASELINE') ORDER BY coalesce(version, script),"
             " installed_rank DESC) AS t WHERE type NOT LIKE 'UNDO%' ORDER BY installed_rank";
    case HistoryFormat::kSqitch:
      return "SELECT '' AS version, change AS name, false AS is_broken FROM " + table +
             " ORDER BY committed_at";
    case HistoryFormat::kAlembicSql:
      return "SELECT version_num::text AS version, '' AS name, false AS is_broken FROM " + table;
    default:
      return "SELECT version::text AS version, '' AS name, false AS is_broken FROM " + table +
             " ORDER BY version";
  }
}

absl::StatusOr<std::vector<Entry>> ReadEntries(pg::Connection& connection, HistoryFormat format,
                                               const std::string& table) {
  // The server's own spelling of the name: what a flag says goes into no SQL.
  ASSIGN_OR_RETURN(const pg::Result there,
                   connection.Query("SELECT to_regclass($1)::text AS name", table));
  const std::string name = there[0].Optional<std::string>("name").value_or("");
  if (name.empty()) return NotATable(format, table);
  const auto rows = connection.Query(QueryOf(format, name));
  const std::string state = rows.ok() ? std::string() : pg::SqlStateOf(rows.status());
  if (state == "42703" || state == "42883") return NotATable(format, table);
  RETURN_IF_ERROR(rows.status());
  std::vector<Entry> entries;
  for (const pg::Row row : *rows) {
    Entry entry{row.Text("version"), row.Text("name")};
    if (row.Get<bool>("is_broken")) {
      return Refuse("TOOL_LEDGER_DIRTY", "version " +
                                             (entry.version.empty() ? entry.name : entry.version) +
                                             " failed half-way; bring the database in order with " +
                                             std::string(ToText(format)) + " first");
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

class Matcher {
 public:
  Matcher(HistoryFormat format, const std::string& service, const Definitions& definitions)
      : format_(format), options_{format, service, {}} {
    const std::string start = RevisionIdOf(options_, "");
    const std::string access = RevisionIdOf(options_, kAccessVersion);
    for (const Revision& revision : definitions.revisions) {
      if (!revision.id.starts_with(start) || revision.id == access) continue;
      found_.revisions.push_back(&revision);
      numbers_.push_back(revision.id.substr(start.size()));
    }
  }

  absl::StatusOr<AdoptedHistory> Match(const std::vector<Entry>& entries) {
    std::set<std::size_t> applied;
    for (const Entry& entry : entries) {
      const std::optional<std::size_t> at = Find(entry);
      if (!at.has_value()) {
        return Refuse("TOOL_LEDGER_UNKNOWN_VERSION",
                      "the database has " + (entry.version.empty() ? entry.name : entry.version) +
                          ", which was not imported; import the history as it is now");
      }
      applied.insert(*at);
      // Of these the table has only the last one.
      if (format_ != HistoryFormat::kGolangMigrate && format_ != HistoryFormat::kAlembicSql)
        continue;
      for (std::size_t before = 0; before < *at; ++before) applied.insert(before);
    }
    for (std::size_t i = 0; i < applied.size(); ++i) {
      if (applied.contains(i)) continue;
      return Refuse("TOOL_LEDGER_HOLES",
                    "the database has not " + found_.revisions[i]->id + " (" +
                        found_.revisions[i]->title +
                        ") but later ones; apply it with the tool, or take it out of the history");
    }
    found_.applied = applied.size();
    return std::move(found_);
  }

 private:
  std::optional<std::size_t> Find(const Entry& entry) {
    if (format_ == HistoryFormat::kSqitch) return FindChange(entry.name);
    const std::string id = RevisionIdOf(options_, entry.version);
    for (std::size_t i = found_.revisions.size(); i-- > 0;) {
      const Revision& revision = *found_.revisions[i];
      if (entry.version.empty() ? revision.title == entry.name : revision.id == id) return i;
    }
    // 1 is written 000001 in the names of files.
    const bool is_number = LeadingDigits(entry.version) == entry.version.size();
    for (std::size_t i = 0; i < numbers_.size() && is_number && !entry.version.empty(); ++i) {
      if (LeadingDigits(numbers_[i]) == numbers_[i].size() &&
          CompareNumbers(numbers_[i], entry.version) == 0) {
        return i;
      }
    }
    return std::nullopt;
  }

  // A reworked change stands there once for each of its versions.
  std::optional<std::size_t> FindChange(const std::string& name) {
    std::size_t skip = seen_[name]++;
    for (std::size_t i = 0; i < found_.revisions.size(); ++i) {
      const std::string& title = found_.revisions[i]->title;
      if (title != name && !title.starts_with(name + "@")) continue;
      if (skip-- == 0) return i;
    }
    return std::nullopt;
  }

  const HistoryFormat format_;
  const WriteOptions options_;
  AdoptedHistory found_;
  std::vector<std::string> numbers_;  // what stands after format and service in the id of each
  std::map<std::string, std::size_t> seen_;
};

}  // namespace

std::vector<std::string> ToolsWithLedger() {
  std::vector<std::string> tools = HistoryFormats();
  std::erase(tools, ToText(HistoryFormat::kSourcegraph));
  return tools;
}

std::string DefaultLedgerTable(HistoryFormat format) {
  switch (format) {
    case HistoryFormat::kGoose:
      return "public.goose_db_version";
    case HistoryFormat::kDiesel:
      return "public.__diesel_schema_migrations";
    case HistoryFormat::kFlyway:
      return "public.flyway_schema_history";
    case HistoryFormat::kSqitch:
      return "sqitch.changes";
    case HistoryFormat::kAlembicSql:
      return "public.alembic_version";
    default:
      return "public.schema_migrations";
  }
}

absl::StatusOr<AdoptedHistory> ReadToolLedger(pg::Connection& connection, HistoryFormat format,
                                              const std::string& table, const std::string& service,
                                              const Definitions& definitions) {
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, ReadEntries(connection, format, table));
  return Matcher(format, service, definitions).Match(entries);
}

}  // namespace lockstep::migration
