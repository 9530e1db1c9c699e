// A JSON object as a member: headers that hold one need not read the JSON library, which costs
// every file that includes them seconds to compile. Files that look inside include json.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "nlohmann/json_fwd.hpp"

namespace lockstep {

// A value, like the object that it holds. A moved-from one is {}.
class JsonObject {
 public:
  JsonObject();
  // REQUIRES: an object.
  explicit JsonObject(nlohmann::json value);
  JsonObject(const JsonObject& other);
  JsonObject(JsonObject&& other) noexcept;
  JsonObject& operator=(const JsonObject& other);
  JsonObject& operator=(JsonObject&& other) noexcept;
  ~JsonObject();

  // The member called `key`; null when it is new.
  nlohmann::json& operator[](std::string_view key);
  // Takes over the members of another object.
  void Update(const nlohmann::json& object);
  // Without white space; what is not UTF-8 is replaced.
  std::string text() const;

 private:
  std::unique_ptr<nlohmann::json> value_;  // null = {}
};

}  // namespace lockstep
