// What the catalog knows of the partitions of a table, and of their parts of one of its indexes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

// Whether "schema.table" is a partitioned table, or "schema.index" an index of one. False for what
// is not there.
absl::StatusOr<bool> IsPartitioned(pg::Connection& connection, const std::string& relation);

// One partition, at any level, below a partitioned table.
struct Partition {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  bool is_partitioned = false;  // has partitions of its own, or may have
  bool is_foreign = false;      // a foreign table, or one with such below it
  // The index above which the partition's own is attached to: that of the table that it is a
  // partition of, quoted with schema. "" when that table has none yet.
  std::string parent_index;
  // Its part of the index: attached, through all levels. "" when there is none yet.
  std::string attached_schema;
  std::string attached_name;
  bool is_attached_valid = false;

  bool is_attached() const { return !attached_name.empty(); }
  std::string qualified() const { return schema + "." + name; }
};

// The partitions of the table of index `index` (`schema` and `name`), with what is attached to it;
// upper levels first, then by name. Empty when the index is not there.
absl::StatusOr<std::vector<Partition>> LoadPartitions(pg::Connection& connection,
                                                      const std::string& schema,
                                                      const std::string& name);

// What follows the name of the table in the definition of an index, "USING btree (n)", and whether
// it is unique: enough to build the same on another table.
struct IndexShape {
  bool is_unique = false;
  std::string table;  // "schema.table"
  std::string rest;
};
// nullopt: there is no such index.
absl::StatusOr<std::optional<IndexShape>> LoadIndexShape(pg::Connection& connection,
                                                         const std::string& schema,
                                                         const std::string& name);

}  // namespace lockstep::migration
