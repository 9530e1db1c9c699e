#include "common/rpc/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "common/status/error.h"

namespace lockstep::rpc {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

absl::Status Invalid(std::string_view text) {
  std::string message = "'" + std::string(text) + "' is not an address: use host:port, [ipv6]:port";
  message += " or unix:PATH";
  return Error(absl::StatusCode::kInvalidArgument, "ADDRESS_INVALID", message);
}

// The errno of binding the first address that `address` resolves to, 0 when it works.
int TryBind(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) !=
      0) {
    return EADDRNOTAVAIL;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const int result =
      bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0 ? 0 : errno;
  close(fd);
  return result;
}

}  // namespace

bool ListenAddress::IsLoopback() const {
  if (is_unix() || host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
         std::memcmp(&v6, &in6addr_loopback, sizeof(v6)) == 0;
}

std::string ListenAddress::Text() const {
  if (is_unix()) return std::string(kUnixPrefix) + unix_path;
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  ListenAddress address;
  if (text.starts_with(kUnixPrefix)) {
    address.unix_path = text.substr(kUnixPrefix.size());
    // sockaddr_un holds 107 bytes and a terminator.
    if (address.unix_path.empty() || address.unix_path.size() > 107) return Invalid(text);
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Invalid(text);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Invalid(text);
  }
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (host.empty() || port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return Invalid(text);
  }
  address.host = host;
  return address;
}

absl::Status WhyNotBound(const ListenAddress& address) {
  const int error = address.is_unix() ? 0 : TryBind(address);
  if (error == EADDRINUSE) {
    return Error(absl::StatusCode::kUnavailable, "ADDRESS_IN_USE",
                 "cannot listen on " + address.Text() +
                     ": the address is in use; is another instance running?");
  }
  const std::string why = error == 0 ? "the server refused it" : std::strerror(error);
  return Error(absl::StatusCode::kUnavailable, "ADDRESS_NOT_USABLE",
               "cannot listen on " + address.Text() + ": " + why);
}

}  // namespace lockstep::rpc
