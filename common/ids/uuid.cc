#include "common/ids/uuid.h"

#include <sys/random.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "common/status/error.h"

namespace lockstep::ids {
namespace {

constexpr std::size_t kTextLength = 36;

bool IsHyphenPosition(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::Status Malformed() {
  return Error(absl::StatusCode::kInvalidArgument, "UUID_MALFORMED",
               "must be a UUID such as 7f3c2a10-9d4e-4b6f-8a1c-5e2d3f4a5b6c");
}

}  // namespace

absl::StatusOr<Uuid> Uuid::Parse(std::string_view text) {
  if (text.size() != kTextLength) return Malformed();
  Uuid uuid;
  std::size_t digit = 0;
  for (std::size_t i = 0; i < kTextLength; ++i) {
    if (IsHyphenPosition(i)) {
      if (text[i] != '-') return Malformed();
      continue;
    }
    const int value = HexValue(text[i]);
    if (value < 0) return Malformed();
    std::uint8_t& byte = uuid.bytes_[digit / 2];
    byte = static_cast<std::uint8_t>(byte * 16 + value);
    ++digit;
  }
  return uuid;
}

Uuid Uuid::Generate() {
  Uuid uuid;
  ssize_t got = 0;
  do {
    got = getrandom(uuid.bytes_.data(), uuid.bytes_.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(uuid.bytes_.size())) {
    // Ids that may repeat would corrupt data; there is nothing sensible to go on with.
    std::perror("getrandom");
    std::abort();
  }
  const auto nanoseconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
  const std::uint64_t milliseconds = nanoseconds / 1'000'000;
  for (std::size_t i = 0; i < 6; ++i) {
    uuid.bytes_[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  }
  // The rest of the millisecond in the 12 bits behind the version (section 6.2, method 3).
  const std::uint64_t fraction = nanoseconds % 1'000'000 * 4096 / 1'000'000;
  uuid.bytes_[6] = static_cast<std::uint8_t>(0x70 | (fraction >> 8));
  uuid.bytes_[7] = static_cast<std::uint8_t>(fraction);
  uuid.bytes_[8] = static_cast<std::uint8_t>((uuid.bytes_[8] & 0x3F) | 0x80);  // variant
  return uuid;
}

std::string Uuid::text() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(kTextLength);
  for (const std::uint8_t byte : bytes_) {
    if (IsHyphenPosition(text.size())) text.push_back('-');
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 0x0F]);
  }
  return text;
}

}  // namespace lockstep::ids
