// Messages to SQL parameters and rows to messages, by the description of a resource.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pool.h"
#include "google/protobuf/message.h"
#include "services/catalog/resource.h"

namespace lockstep::catalog {

// Names of fields of a resource.
using FieldSet = std::set<std::string>;

// Whether the field has a value: present, not empty, an enum other than UNSPECIFIED.
[[nodiscard]] bool IsSet(const google::protobuf::Message& message, const std::string& field);

// INVALID_ARGUMENT that names every bad field among `fields`, as "<spec.field>.<field>".
[[nodiscard]] absl::Status CheckFields(const ResourceSpec& spec,
                                       const google::protobuf::Message& message,
                                       const FieldSet& fields);

// The value for the column; NULL when the field is not set. Looks references up. REQUIRES:
// CheckFields. NOT_FOUND with the reference's reason.
[[nodiscard]] absl::StatusOr<pg::Param> ToParam(pg::Tx& tx, const ResourceSpec& spec,
                                                const Column& column,
                                                const google::protobuf::Message& message);

// The id behind a resource name. INVALID_ARGUMENT on `path`, or NOT_FOUND.
[[nodiscard]] absl::StatusOr<std::string> FindId(pg::Tx& tx, const Collection& collection,
                                                 std::string_view name, std::string_view path);
// The key in a resource name (a UUID in lower case, or a slug). INVALID_ARGUMENT on `path`.
[[nodiscard]] absl::StatusOr<std::string> KeyOf(const Collection& collection, std::string_view name,
                                                std::string_view path);

// "t.id AS resource_key, t.name AS display_name, ..." for FromRow.
[[nodiscard]] std::string SelectList(const ResourceSpec& spec);
// Fills `name`, all columns and `etag`.
[[nodiscard]] absl::Status FromRow(const ResourceSpec& spec, const pg::Row& row,
                                   google::protobuf::Message& message);

// The etag of a row that was last changed then.
[[nodiscard]] std::string EtagOf(absl::Time updated_at);

}  // namespace lockstep::catalog
