// How KeepWhatGoes (archive.h) works through one step: archive.cc copies columns and rows,
// archive_tables.cc keeps whole tables.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

class Keeper {
 public:
  Keeper(RunSession& session, const StepTask& task, pg::Connection& connection, Prepared& prepared)
      : session_(session), task_(task), connection_(connection), prepared_(prepared) {}

  absl::Status KeepColumns();
  absl::Status KeepDeclared(bool with_undeclared_rows);
  // Rows that the script itself deletes or changes in a table that an undo of the revision drops
  // need no declaration, but they would be gone before the table is kept.
  absl::Status KeepRowsOfTablesThatGo();
  // Tables that hold rows: an ordinary one moves to the archive instead of being dropped, of a
  // partitioned one or a partition the rows are copied.
  absl::Status KeepTables();

 private:
  absl::StatusOr<bool> Exists(const std::string& table);
  absl::StatusOr<bool> HasRows(const std::string& table, const std::string& where);
  absl::StatusOr<std::string> NewSchema();
  absl::Status CopyColumns(const std::string& table, const std::vector<std::string>& columns);
  absl::Status CopyValues(const std::string& table, const std::vector<std::string>& key,
                          const std::vector<std::string>& columns, const std::string& where);
  absl::Status CopyRows(const DestroyedData& data);
  // Copies `columns` (empty: all that are not generated) of the rows into a new table of `schema`.
  absl::StatusOr<std::int64_t> Copy(const std::string& schema, const std::string& table,
                                    const std::vector<std::string>& columns,
                                    const std::string& where);
  // What stands for a DROP TABLE of `tables`.
  absl::Status KeepDropped(const std::string& statement, const std::vector<std::string>& tables,
                           std::vector<std::string>& statements);
  absl::StatusOr<std::vector<std::string>> MoveTable(const std::string& table, bool cascades,
                                                     const std::vector<std::string>& together);
  void Record(const std::string& schema, std::string_view kind, const std::string& table,
              std::int64_t rows, const std::string& restore);

  RunSession& session_;
  const StepTask& task_;
  pg::Connection& connection_;
  Prepared& prepared_;
  std::string archive_id_;
};

// ARCHIVE_IMPOSSIBLE when nobody can tell what the script destroys. Of some scripts a silent guard
// can: that it is nothing.
absl::Status RefuseUnseen(const StepTask& task, bool guard_is_silent);

// The columns of the table's primary key, in order.
absl::StatusOr<std::vector<std::string>> PrimaryKeyOf(pg::Connection& connection,
                                                      const std::string& table);
// Those of `names` that the table has and stores, in its order.
absl::StatusOr<std::vector<std::string>> StoredColumns(pg::Connection& connection,
                                                       const std::string& table,
                                                       const std::vector<std::string>& names);
// "a IS NOT NULL OR b IS NOT NULL"
std::string AnyFilled(const std::vector<std::string>& columns);
// The columns of each table that the script drops, without those of tables that it drops as a
// whole, and the tables whose rows it writes without the revision's declaring them.
std::map<std::string, std::vector<std::string>> ColumnsThatGo(const Script& script);
std::vector<std::string> UndeclaredRowsThatGo(const StepTask& task);

constexpr char kNoPrimaryKey[] =
    "it has no primary key, so values of single columns could never go back";
constexpr char kNothingIdentifies[] = "nothing identifies its rows";
constexpr char kMayNotCreateSchemas[] =
    "the migrator may not create schemas in this database; run `lockstep bootstrap` on it and try "
    "again";

// ARCHIVE_IMPOSSIBLE about `table`.
absl::Status ArchiveImpossible(const StepTask& task, const std::string& table,
                               const std::string& why);

}  // namespace lockstep::migration
