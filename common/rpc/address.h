// Addresses that a server listens on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lockstep::rpc {

struct ListenAddress {
  std::string host;  // without brackets; empty for a unix socket
  std::uint16_t port = 0;
  std::string unix_path;

  bool is_unix() const { return !unix_path.empty(); }
  // Only this machine can connect: a unix socket, "localhost", 127.0.0.0/8, ::1.
  bool IsLoopback() const;
  // "127.0.0.1:7101", "[::1]:7101", "unix:/run/x.sock".
  std::string Text() const;
};

// "host:port", "[v6]:port" or "unix:PATH". INVALID_ARGUMENT (ADDRESS_INVALID).
[[nodiscard]] absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

// Why `address` cannot be bound, found by trying: UNAVAILABLE (ADDRESS_IN_USE or
// ADDRESS_NOT_USABLE).
[[nodiscard]] absl::Status WhyNotBound(const ListenAddress& address);

}  // namespace lockstep::rpc
