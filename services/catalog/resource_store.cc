#include "services/catalog/resource_store.h"

#include <memory>
#include <optional>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/catalog/violations.h"

namespace lockstep::catalog {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kUniqueViolation = "23505";
constexpr std::string_view kForeignKeyViolation = "23503";

std::string TextOf(const Message& message, const std::string& field) {
  return message.GetReflection()->GetString(message,
                                            message.GetDescriptor()->FindFieldByName(field));
}

bool IsImmutable(const Column& column) {
  return column.access == Access::kImmutable || column.access == Access::kRequiredImmutable;
}

std::string Placeholder(std::size_t number) { return "$" + std::to_string(number); }

}  // namespace

ResourceStore::ResourceStore(const ResourceSpec& spec) : spec_(spec), columns_(SelectList(spec)) {
  for (const Column& column : spec.columns) {
    if (column.access != Access::kOutput) writable_.insert(column.field);
  }
  writable_.insert(spec.own_fields.begin(), spec.own_fields.end());
}

absl::StatusOr<FieldSet> ResourceStore::FieldsOfUpdate(
    const Message& resource, const google::protobuf::FieldMask& mask) const {
  FieldSet fields;
  if (mask.paths_size() == 0) {
    for (const std::string& field : writable_) {
      if (IsSet(resource, field)) fields.insert(field);
    }
    return fields;
  }
  Violations bad;
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      fields = writable_;
    } else if (resource.GetDescriptor()->FindFieldByName(path) == nullptr) {
      bad.Add("update_mask", "UPDATE_MASK_INVALID",
              "\"" + path + "\" is not a field of " + resource.GetDescriptor()->name());
    } else if (writable_.contains(path)) {
      fields.insert(path);
    }
  }
  RETURN_IF_ERROR(bad.ToStatus());
  return fields;
}

absl::Status ResourceStore::Read(pg::Tx& tx, std::string_view name, bool lock, Message& out) const {
  ASSIGN_OR_RETURN(const std::string key, KeyOf(spec_.collection, name, "name"));
  // NO KEY: a row that refers to this one may be written meanwhile. Two rows that are put under
  // each other at the same time would otherwise wait for each other.
  ASSIGN_OR_RETURN(
      const std::optional<pg::Row> row,
      tx.Maybe("SELECT " + columns_ + " FROM " + spec_.collection.table + " t WHERE t." +
                   spec_.collection.key_column + " = $1" + (lock ? " FOR NO KEY UPDATE OF t" : ""),
               key));
  if (!row.has_value()) {
    return Error(absl::StatusCode::kNotFound, spec_.collection.not_found,
                 "there is no resource of this name")
        .With("name", name);
  }
  return FromRow(spec_, *row, out);
}

absl::StatusOr<std::string> ResourceStore::List(pg::Tx& tx, const paging::ListQuery& list,
                                                const Search* search,
                                                const std::function<Message*()>& add) const {
  std::vector<pg::Param> params;
  std::string where;
  if (search != nullptr) {
    params.emplace_back(search->value);
    where = "(" + search->condition + ")";
  }
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.QueryList(list.Sql(columns_, spec_.collection.table + " t" + spec_.joins, where),
                   list.Params(std::move(params))));
  for (int i = 0; i < list.PageRows(rows); ++i) RETURN_IF_ERROR(FromRow(spec_, rows[i], *add()));
  return list.NextPageToken(rows);
}

absl::Status ResourceStore::WriteError(const absl::Status& status) const {
  if (pg::SqlStateOf(status) != kUniqueViolation) return status;
  return Error(absl::StatusCode::kAlreadyExists, spec_.taken_reason,
               "another row has the same unique value");
}

absl::StatusOr<std::string> ResourceStore::Insert(pg::Tx& tx, const Message& resource,
                                                  const ExtraColumns& extra) const {
  std::string columns;
  std::string values;
  std::vector<pg::Param> params;
  const auto add = [&](const std::string& column, pg::Param param) {
    params.push_back(std::move(param));
    columns += (columns.empty() ? "" : ", ") + column;
    values += (values.empty() ? "" : ", ") + Placeholder(params.size());
  };
  FieldSet filled;
  for (const auto& [column, param] : extra) {
    filled.insert(column);
    add(column, param);
  }
  for (const Column& column : spec_.columns) {
    if (!writable_.contains(column.field) || filled.contains(column.column)) continue;
    if (!IsSet(resource, column.field)) continue;
    ASSIGN_OR_RETURN(pg::Param param, ToParam(tx, spec_, column, resource));
    add(column.column, std::move(param));
  }
  const absl::StatusOr<pg::Result> inserted =
      tx.QueryList("INSERT INTO " + spec_.collection.table + " AS t (" + columns + ") VALUES (" +
                       values + ") RETURNING t." + spec_.collection.key_column + " AS key",
                   params);
  if (!inserted.ok()) return WriteError(inserted.status());
  return spec_.collection.name + "/" + (*inserted)[0].Text("key");
}

absl::Status ResourceStore::Merge(const Message& changes, const FieldSet& fields,
                                  Message& current) const {
  Violations bad;
  std::unique_ptr<Message> source(changes.New());
  source->CopyFrom(changes);
  for (const Column& column : spec_.columns) {
    if (!fields.contains(column.field)) continue;
    if (IsImmutable(column)) {
      if (TextOf(changes, column.field) != TextOf(current, column.field)) {
        bad.Add(spec_.field + "." + column.field, "FIELD_IMMUTABLE",
                "this field is fixed once the resource exists");
      }
      continue;
    }
    // Swapping carries absence along, which setting values would not.
    const FieldDescriptor* field = current.GetDescriptor()->FindFieldByName(column.field);
    current.GetReflection()->SwapFields(&current, source.get(), {field});
  }
  return bad.ToStatus();
}

absl::Status ResourceStore::Update(pg::Tx& tx, const Message& resource, const FieldSet& fields,
                                   const ExtraColumns& extra) const {
  ASSIGN_OR_RETURN(const std::string key,
                   KeyOf(spec_.collection, TextOf(resource, "name"), "name"));
  // Later than before, whatever the clock does: the etag is made of it.
  std::string assignments = "updated_at = greatest(now(), t.updated_at + interval '1 microsecond')";
  std::vector<pg::Param> params = {pg::Param(key)};
  FieldSet filled;
  for (const auto& [column, param] : extra) {
    filled.insert(column);
    params.push_back(param);
    assignments += ", " + column + " = " + Placeholder(params.size());
  }
  for (const Column& column : spec_.columns) {
    if (!fields.contains(column.field) || filled.contains(column.column)) continue;
    if (!writable_.contains(column.field) || IsImmutable(column)) continue;
    assignments += ", " + column.column + " = ";
    if (column.is_not_null && !IsSet(resource, column.field)) {
      assignments += "DEFAULT";
      continue;
    }
    ASSIGN_OR_RETURN(pg::Param param, ToParam(tx, spec_, column, resource));
    params.push_back(std::move(param));
    std::string value = column.update_sql.empty() ? "$" : column.update_sql;
    assignments += value.replace(value.find('$'), 1, Placeholder(params.size()));
  }
  const absl::StatusOr<pg::Result> updated =
      tx.QueryList("UPDATE " + spec_.collection.table + " AS t SET " + assignments + " WHERE t." +
                       spec_.collection.key_column + " = $1",
                   params);
  return updated.ok() ? absl::OkStatus() : WriteError(updated.status());
}

absl::Status ResourceStore::Delete(pg::Tx& tx, std::string_view name) const {
  ASSIGN_OR_RETURN(const std::string key, KeyOf(spec_.collection, name, "name"));
  const absl::StatusOr<std::int64_t> deleted =
      tx.Execute("DELETE FROM " + spec_.collection.table + " t WHERE t." +
                     spec_.collection.key_column + " = $1",
                 key);
  if (pg::SqlStateOf(deleted.status()) == kForeignKeyViolation) {
    return Error(absl::StatusCode::kFailedPrecondition, spec_.in_use_reason,
                 "other resources refer to this one; change or delete them first")
        .With("name", name);
  }
  RETURN_IF_ERROR(deleted.status());
  if (*deleted == 0) {
    return Error(absl::StatusCode::kNotFound, spec_.collection.not_found,
                 "there is no resource of this name")
        .With("name", name);
  }
  return absl::OkStatus();
}

absl::Status ResourceStore::CheckEtag(std::string_view etag, const Message& current) {
  if (etag.empty() || etag == TextOf(current, "etag")) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "ETAG_MISMATCH",
               "the resource has changed since it was read: read it again, then redo the change")
      .With("name", TextOf(current, "name"));
}

}  // namespace lockstep::catalog
