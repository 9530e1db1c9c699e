// Short ways to write the rows of a ResourceSpec. For the specs_*.cc files only.
#pragma once

#include <string>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "services/catalog/resource.h"
#include "services/catalog/text.h"

namespace lockstep::catalog::spec {

using filter::Type;

inline constexpr int kLongText = 10'000;

inline Column Text(std::string field, std::string column, int max_length,
                   Access access = Access::kOptional) {
  return {.field = std::move(field),
          .column = std::move(column),
          .kind = Kind::kText,
          .access = access,
          .max_length = max_length};
}

inline Column Plain(std::string field, std::string column, Kind kind,
                    Access access = Access::kOptional) {
  return {.field = std::move(field), .column = std::move(column), .kind = kind, .access = access};
}

inline Column Flag(std::string field, std::string column) {
  return {.field = std::move(field),
          .column = std::move(column),
          .kind = Kind::kBool,
          .is_not_null = true};
}

inline Column Number(std::string field, std::string column, std::string low, std::string high) {
  return {.field = std::move(field),
          .column = std::move(column),
          .kind = Kind::kInteger,
          .low = std::move(low),
          .high = std::move(high)};
}

inline Column Decimal(std::string field, std::string column, std::string high) {
  return {.field = std::move(field),
          .column = std::move(column),
          .kind = Kind::kDecimal,
          .low = "0",
          .high = std::move(high),
          .scale = 2};
}

inline Column Enum(std::string field, std::string column, std::string prefix,
                   Access access = Access::kOptional) {
  return {.field = std::move(field),
          .column = std::move(column),
          .kind = Kind::kEnum,
          .access = access,
          .enum_prefix = std::move(prefix)};
}

inline Column Reference(std::string field, std::string column, const Collection& collection,
                        Access access = Access::kOptional) {
  return {.field = std::move(field),
          .column = std::move(column),
          .kind = Kind::kReference,
          .access = access,
          .reference = &collection};
}

inline Column Created() { return Plain("created_at", "created_at", Kind::kTime, Access::kOutput); }
inline Column Updated() { return Plain("updated_at", "updated_at", Kind::kTime, Access::kOutput); }

inline filter::Field Filter(std::string name, std::string sql, Type type) {
  return {.name = std::move(name), .sql = std::move(sql), .type = type};
}

inline filter::Field FilterByName(std::string name, std::string sql, Type type,
                                  const Collection& collection) {
  return {.name = std::move(name),
          .sql = std::move(sql),
          .type = type,
          .normalise = filter::StripCollection(collection.name)};
}

inline filter::Field FilterByEnum(std::string name, std::string sql,
                                  const google::protobuf::EnumDescriptor* descriptor,
                                  const std::string& prefix) {
  filter::Field field{.name = std::move(name), .sql = std::move(sql), .type = Type::kEnum};
  for (int i = 1; i < descriptor->value_count(); ++i) {
    field.values.push_back(ToLower(descriptor->value(i)->name().substr(prefix.size())));
  }
  field.normalise = filter::EnumName(prefix.substr(0, prefix.size() - 1));
  return field;
}

inline filter::Field FilterByTime(const std::string& column) {
  return Filter(column, "t." + column, Type::kTime);
}

inline paging::SortField Sort(std::string name, std::string sql, Type type,
                              bool is_nullable = false) {
  return {.name = std::move(name), .sql = std::move(sql), .type = type, .is_nullable = is_nullable};
}

inline paging::SortField SortByTime(const std::string& column, bool is_nullable = false) {
  return Sort(column, "t." + column, Type::kTime, is_nullable);
}

inline paging::SortField Key() { return Sort("id", "t.id", Type::kUuid); }

// The slug behind a category's id.
inline std::string SlugOfCategory(const std::string& column) {
  return "(SELECT r.slug FROM products.categories r WHERE r.id = t." + column + ")";
}

}  // namespace lockstep::catalog::spec
