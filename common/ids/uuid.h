// UUIDs: 16 bytes, read in any case, written in lower case.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lockstep::ids {

class Uuid {
 public:
  // The nil UUID (all zero).
  constexpr Uuid() = default;

  // The canonical form only, 8-4-4-4-12 hexadecimal digits in any case: INVALID_ARGUMENT
  // (UUID_MALFORMED) for the rest (braces, "urn:uuid:", no hyphens).
  [[nodiscard]] static absl::StatusOr<Uuid> Parse(std::string_view text);
  // A version 7 UUID (RFC 9562): the time to a quarter of a microsecond, then 62 random bits from
  // the operating system. Later ones are greater, so that the indexes of tables that grow are
  // written at their end and not all over. Thread-safe. Ends the process when the system has no
  // randomness.
  [[nodiscard]] static Uuid Generate();

  // Lower case, canonical.
  std::string text() const;
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  bool is_nil() const { return *this == Uuid(); }

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Uuid& uuid) {
    return H::combine_contiguous(std::move(state), uuid.bytes_.data(), uuid.bytes_.size());
  }

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace lockstep::ids
