#include "common/json/json_object.h"

#include <utility>

#include "common/json/json.h"

namespace lockstep {
namespace {

std::unique_ptr<nlohmann::json> CopyOf(const std::unique_ptr<nlohmann::json>& value) {
  return value == nullptr ? nullptr : std::make_unique<nlohmann::json>(*value);
}

}  // namespace

JsonObject::JsonObject() = default;
JsonObject::JsonObject(nlohmann::json value)
    : value_(std::make_unique<nlohmann::json>(std::move(value))) {}
JsonObject::JsonObject(const JsonObject& other) : value_(CopyOf(other.value_)) {}
JsonObject::JsonObject(JsonObject&& other) noexcept = default;
JsonObject& JsonObject::operator=(const JsonObject& other) {
  if (this != &other) value_ = CopyOf(other.value_);
  return *this;
}
JsonObject& JsonObject::operator=(JsonObject&& other) noexcept = default;
JsonObject::~JsonObject() = default;

nlohmann::json& JsonObject::operator[](std::string_view key) {
  if (value_ == nullptr) value_ = std::make_unique<nlohmann::json>(nlohmann::json::object());
  return (*value_)[std::string(key)];
}

void JsonObject::Update(const nlohmann::json& object) {
  for (const auto& [key, value] : object.items()) (*this)[key] = value;
}

std::string JsonObject::text() const { return value_ == nullptr ? "{}" : JsonText(*value_); }

}  // namespace lockstep
