#include "services/catalog/resource_codec.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/decimal/decimal.h"
#include "common/ids/resource_name.h"
#include "common/json/json.h"
#include "common/money/limits.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/type/money.pb.h"
#include "services/catalog/text.h"
#include "services/catalog/violations.h"

namespace lockstep::catalog {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kMaxEntries = 50;
constexpr int kMaxKeyLength = 100;

const FieldDescriptor& FieldOf(const Message& message, const std::string& field) {
  return *message.GetDescriptor()->FindFieldByName(field);
}

std::string TextOf(const Message& message, const std::string& field) {
  return message.GetReflection()->GetString(message, &FieldOf(message, field));
}

const google::type::Money& MoneyOf(const Message& message, const std::string& field) {
  return dynamic_cast<const google::type::Money&>(
      message.GetReflection()->GetMessage(message, &FieldOf(message, field)));
}

const google::protobuf::Timestamp& TimeOf(const Message& message, const std::string& field) {
  return dynamic_cast<const google::protobuf::Timestamp&>(
      message.GetReflection()->GetMessage(message, &FieldOf(message, field)));
}

std::string EnumTextOf(const Message& message, const Column& column) {
  const FieldDescriptor& field = FieldOf(message, column.field);
  const std::string& name = message.GetReflection()->GetEnum(message, &field)->name();
  const std::string text = name.substr(column.enum_prefix.size());
  return column.is_upper_case ? text : ToLower(text);
}

void CheckLength(std::string_view text, const std::string& path, int max_length, Violations& bad) {
  if (CharacterCount(text) > max_length) {
    bad.Add(path, "TEXT_TOO_LONG", absl::StrFormat("at most %d characters", max_length));
  }
}

void CheckDecimal(const Column& column, const std::string& text, const std::string& path,
                  Violations& bad) {
  const absl::StatusOr<decimal::Decimal> value = decimal::Decimal::Parse(text);
  if (!value.ok()) {
    bad.Add(path, ReasonOf(value.status()), "a decimal number like \"9.50\"");
    return;
  }
  const decimal::Decimal low = decimal::Decimal::Parse(column.low).value();
  const decimal::Decimal high = decimal::Decimal::Parse(column.high).value();
  if (*value < low || *value > high) {
    bad.Add(path, "NUMBER_OUT_OF_RANGE", "between " + column.low + " and " + column.high);
  } else if (value->scale() > column.scale) {
    bad.Add(path, "NUMBER_TOO_FINE",
            absl::StrFormat("at most %d digits after the point", column.scale));
  }
}

void CheckMoney(const Column& column, const google::type::Money& message, const std::string& path,
                Violations& bad) {
  const absl::StatusOr<money::Money> value = money::FromProto(message, path);
  if (!value.ok()) {
    bad.Add(value.status(), path);
  } else if (value->currency() != money::kEur) {
    bad.Add(path + ".currency_code", "CURRENCY_NOT_SUPPORTED", "the catalog keeps prices in EUR");
  } else if (column.is_positive && value->minor() <= 0) {
    bad.Add(path, "PRICE_NOT_POSITIVE", "above zero; leave it unset when it is not known");
  } else {
    bad.Add(money::CheckAmount(*value, path), path);
  }
}

void CheckList(const Column& column, const Message& message, const std::string& path,
               Violations& bad) {
  const FieldDescriptor& field = FieldOf(message, column.field);
  const int size = message.GetReflection()->FieldSize(message, &field);
  if (size > kMaxEntries) {
    bad.Add(path, "TOO_MANY_ENTRIES", absl::StrFormat("at most %d entries", kMaxEntries));
  }
  for (int i = 0; i < std::min(size, kMaxEntries); ++i) {
    const std::string entry_path = absl::StrFormat("%s[%d]", path, i);
    if (column.kind == Kind::kTextList) {
      const std::string text = message.GetReflection()->GetRepeatedString(message, &field, i);
      if (text.empty()) bad.Add(entry_path, "FIELD_REQUIRED", "not empty");
      CheckLength(text, entry_path, column.max_length, bad);
      continue;
    }
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    const std::string key = TextOf(entry, "key");
    if (key.empty()) bad.Add(path, "FIELD_REQUIRED", "keys are not empty");
    CheckLength(key, path, kMaxKeyLength, bad);
    CheckLength(TextOf(entry, "value"), path + "[\"" + key + "\"]", column.max_length, bad);
  }
}

void CheckInteger(const Column& column, std::int64_t value, const std::string& path,
                  Violations& bad) {
  if (value < std::stoll(column.low) || value > std::stoll(column.high)) {
    bad.Add(path, "NUMBER_OUT_OF_RANGE", "between " + column.low + " and " + column.high);
  }
}

void CheckValue(const Column& column, const Message& message, const std::string& path,
                Violations& bad) {
  switch (column.kind) {
    case Kind::kText:
      CheckLength(TextOf(message, column.field), path, column.max_length, bad);
      return;
    case Kind::kEnum: {
      const FieldDescriptor& field = FieldOf(message, column.field);
      const int number = message.GetReflection()->GetEnumValue(message, &field);
      if (field.enum_type()->FindValueByNumber(number) == nullptr) {
        bad.Add(path, "ENUM_VALUE_UNKNOWN", "one of the values of the enumeration");
      }
      return;
    }
    case Kind::kInteger:
      CheckInteger(column,
                   message.GetReflection()->GetInt32(message, &FieldOf(message, column.field)),
                   path, bad);
      return;
    case Kind::kDecimal:
      CheckDecimal(column, TextOf(message, column.field), path, bad);
      return;
    case Kind::kMoney:
      CheckMoney(column, MoneyOf(message, column.field), path, bad);
      return;
    case Kind::kTime:
      bad.Add(time::FromProto(TimeOf(message, column.field), path).status(), path);
      return;
    case Kind::kReference:
      bad.Add(KeyOf(*column.reference, TextOf(message, column.field), path).status(), path);
      return;
    case Kind::kTextList:
    case Kind::kTextMap:
      CheckList(column, message, path, bad);
      return;
    case Kind::kBool:
      return;
  }
}

std::string JsonOf(const Column& column, const Message& message) {
  const FieldDescriptor& field = FieldOf(message, column.field);
  const Reflection& reflection = *message.GetReflection();
  const bool is_list = column.kind == Kind::kTextList;
  nlohmann::json json = is_list ? nlohmann::json::array() : nlohmann::json::object();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (is_list) {
      json.push_back(reflection.GetRepeatedString(message, &field, i));
    } else {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      json[TextOf(entry, "key")] = TextOf(entry, "value");
    }
  }
  return json.dump();
}

void SetEnum(const Column& column, const std::string& text, Message& message) {
  const FieldDescriptor& field = FieldOf(message, column.field);
  std::string name = text;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto* value = field.enum_type()->FindValueByName(column.enum_prefix + name);
  if (value != nullptr) message.GetReflection()->SetEnum(&message, &field, value);
}

// Values that other programs wrote may be of any JSON type; they are shown as text.
void SetJson(const Column& column, const std::string& text, Message& message) {
  const FieldDescriptor& field = FieldOf(message, column.field);
  const Reflection& reflection = *message.GetReflection();
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  for (const auto& [key, value] : json.items()) {
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    if (column.kind == Kind::kTextList) {
      reflection.AddString(&message, &field, shown);
    } else if (!key.starts_with("is_placeholder")) {
      Message* entry = reflection.AddMessage(&message, &field);
      entry->GetReflection()->SetString(entry, &FieldOf(*entry, "key"), key);
      entry->GetReflection()->SetString(entry, &FieldOf(*entry, "value"), shown);
    }
  }
}

absl::Status SetValue(const Column& column, const pg::Row& row, Message& message) {
  const FieldDescriptor& field = FieldOf(message, column.field);
  const Reflection& reflection = *message.GetReflection();
  switch (column.kind) {
    case Kind::kText:
    case Kind::kDecimal:
      reflection.SetString(&message, &field, row.Text(column.field));
      break;
    case Kind::kReference:
      reflection.SetString(&message, &field, column.reference->name + "/" + row.Text(column.field));
      break;
    case Kind::kEnum:
      SetEnum(column, row.Text(column.field), message);
      break;
    case Kind::kBool:
      reflection.SetBool(&message, &field, row.Get<bool>(column.field));
      break;
    case Kind::kInteger:
      reflection.SetInt32(&message, &field, row.Get<std::int32_t>(column.field));
      break;
    case Kind::kMoney: {
      ASSIGN_OR_RETURN(money::Money value, money::ParseMoney(row.Text(column.field), money::kEur));
      reflection.MutableMessage(&message, &field)->CopyFrom(money::ToProto(value));
      break;
    }
    case Kind::kTime:
      reflection.MutableMessage(&message, &field)
          ->CopyFrom(time::ToProto(row.Get<absl::Time>(column.field)));
      break;
    case Kind::kTextList:
    case Kind::kTextMap:
      SetJson(column, row.Text(column.field), message);
      break;
  }
  return absl::OkStatus();
}

std::string SelectExpression(const Column& column) {
  if (!column.select_sql.empty()) return column.select_sql;
  if (column.kind == Kind::kReference && column.reference->has_slug_key()) {
    return "(SELECT r." + column.reference->key_column + " FROM " + column.reference->table +
           " r WHERE r.id = t." + column.column + ")";
  }
  return "t." + column.column;
}

}  // namespace

bool IsSet(const Message& message, const std::string& field_name) {
  const FieldDescriptor& field = FieldOf(message, field_name);
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) return reflection.FieldSize(message, &field) > 0;
  if (!reflection.HasField(message, &field)) return false;
  // An optional text that is present but empty says the same as an absent one: there is no value.
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return !reflection.GetString(message, &field).empty();
  }
  return true;
}

absl::Status CheckFields(const ResourceSpec& spec, const Message& message, const FieldSet& fields) {
  Violations bad;
  for (const Column& column : spec.columns) {
    if (!fields.contains(column.field) || column.access == Access::kOutput) continue;
    const std::string path = spec.field + "." + column.field;
    const bool is_required =
        column.access == Access::kRequired || column.access == Access::kRequiredImmutable;
    const bool is_blank = is_required && column.kind == Kind::kText &&
                          CollapseSpace(TextOf(message, column.field)).empty();
    if (IsSet(message, column.field) && !is_blank) {
      CheckValue(column, message, path, bad);
    } else if (is_required) {
      bad.Add(path, "FIELD_REQUIRED", "this field is required");
    }
  }
  return bad.ToStatus();
}

absl::StatusOr<std::string> KeyOf(const Collection& collection, std::string_view name,
                                  std::string_view path) {
  if (!collection.has_slug_key()) {
    ASSIGN_OR_RETURN(const ids::Uuid uuid, ids::UuidFromName(name, collection.name, path));
    return uuid.text();
  }
  ASSIGN_OR_RETURN(const std::string_view slug, ids::LastSegment(name, collection.name, path));
  if (!IsStrictSlug(slug)) {
    return InvalidField(path, "RESOURCE_NAME_MALFORMED",
                        collection.name + "/{slug} with 1 to 100 of a-z, 0-9 and hyphen");
  }
  return std::string(slug);
}

absl::StatusOr<std::string> FindId(pg::Tx& tx, const Collection& collection, std::string_view name,
                                   std::string_view path) {
  ASSIGN_OR_RETURN(const std::string key, KeyOf(collection, name, path));
  // FOR KEY SHARE: what is referred to must not go before this transaction ends.
  ASSIGN_OR_RETURN(const std::optional<pg::Row> row,
                   tx.Maybe("SELECT t.id FROM " + collection.table + " t WHERE t." +
                                collection.key_column + " = $1 FOR KEY SHARE",
                            key));
  if (!row.has_value()) {
    return Error(absl::StatusCode::kNotFound, collection.not_found,
                 "what this field refers to does not exist")
        .With("name", name)
        .With("field", path);
  }
  return row->Text("id");
}

absl::StatusOr<pg::Param> ToParam(pg::Tx& tx, const ResourceSpec& spec, const Column& column,
                                  const Message& message) {
  if (!IsSet(message, column.field)) return pg::Param(std::nullopt);
  const FieldDescriptor& field = FieldOf(message, column.field);
  const std::string path = spec.field + "." + column.field;
  switch (column.kind) {
    case Kind::kText:
    case Kind::kDecimal:
      return pg::Param(TextOf(message, column.field));
    case Kind::kEnum:
      return pg::Param(EnumTextOf(message, column));
    case Kind::kBool:
      return pg::Param(message.GetReflection()->GetBool(message, &field));
    case Kind::kInteger:
      return pg::Param(message.GetReflection()->GetInt32(message, &field));
    case Kind::kMoney: {
      ASSIGN_OR_RETURN(money::Money value, money::FromProto(MoneyOf(message, column.field), path));
      return pg::Param(value.ToDecimalText());
    }
    case Kind::kTime: {
      ASSIGN_OR_RETURN(absl::Time value, time::FromProto(TimeOf(message, column.field), path));
      return pg::Param(value);
    }
    case Kind::kReference: {
      ASSIGN_OR_RETURN(std::string id,
                       FindId(tx, *column.reference, TextOf(message, column.field), path));
      return pg::Param(std::move(id));
    }
    case Kind::kTextList:
    case Kind::kTextMap:
      return pg::Param(JsonOf(column, message));
  }
  return pg::Param(std::nullopt);
}

std::string SelectList(const ResourceSpec& spec) {
  std::string sql = "t." + spec.collection.key_column + " AS resource_key";
  for (const Column& column : spec.columns) {
    sql += ", " + SelectExpression(column) + " AS " + column.field;
  }
  return sql;
}

absl::Status FromRow(const ResourceSpec& spec, const pg::Row& row, Message& message) {
  message.GetReflection()->SetString(&message, &FieldOf(message, "name"),
                                     spec.collection.name + "/" + row.Text("resource_key"));
  for (const Column& column : spec.columns) {
    if (!row.IsNull(column.field)) RETURN_IF_ERROR(SetValue(column, row, message));
  }
  if (spec.has_etag) {
    message.GetReflection()->SetString(&message, &FieldOf(message, "etag"),
                                       EtagOf(row.Get<absl::Time>("updated_at")));
  }
  return absl::OkStatus();
}

std::string EtagOf(absl::Time updated_at) {
  return absl::StrFormat("%x", absl::ToUnixMicros(updated_at));
}

}  // namespace lockstep::catalog
