// Strong id types: an order id cannot be passed where a product id is wanted.
//
//   struct OrderTag;
//   using OrderId = ids::Id<OrderTag>;
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/status/statusor.h"
#include "common/ids/uuid.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::ids {

template <typename Tag>
class Id {
 public:
  // Nil; for members that are filled later.
  constexpr Id() = default;
  constexpr explicit Id(const Uuid& uuid) : uuid_(uuid) {}

  // See Uuid::Parse.
  [[nodiscard]] static absl::StatusOr<Id> Parse(std::string_view text) {
    ASSIGN_OR_RETURN(Uuid uuid, Uuid::Parse(text));
    return Id(uuid);
  }
  // The same for a value of a request: the error names `field`.
  [[nodiscard]] static absl::StatusOr<Id> Parse(std::string_view text, std::string_view field) {
    absl::StatusOr<Uuid> uuid = Uuid::Parse(text);
    if (!uuid.ok()) return InvalidField(field, "UUID_MALFORMED", MessageOf(uuid.status()));
    return Id(*uuid);
  }
  [[nodiscard]] static Id Generate() { return Id(Uuid::Generate()); }

  // Lower case, canonical: what SQL, logs and resource names show.
  std::string text() const { return uuid_.text(); }
  const Uuid& uuid() const { return uuid_; }
  bool is_nil() const { return uuid_.is_nil(); }

  friend constexpr auto operator<=>(const Id&, const Id&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Id& id) {
    return H::combine(std::move(state), id.uuid_);
  }

 private:
  Uuid uuid_;
};

}  // namespace lockstep::ids

template <typename Tag>
struct std::hash<lockstep::ids::Id<Tag>> {
  std::size_t operator()(const lockstep::ids::Id<Tag>& id) const noexcept {
    return absl::Hash<lockstep::ids::Id<Tag>>{}(id);
  }
};
template <>
struct std::hash<lockstep::ids::Uuid> {
  std::size_t operator()(const lockstep::ids::Uuid& uuid) const noexcept {
    return absl::Hash<lockstep::ids::Uuid>{}(uuid);
  }
};
