#include "tests/integration/common/pg/lossy_proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

namespace lockstep::pg {
namespace {

constexpr char kSocketName[] = "/.s.PGSQL.5432";
// The text of a query message and the tag of its answer; "READ COMMITTED" has no such end.
constexpr std::string_view kCommit("COMMIT\0", 7);

// A test cannot go on without its proxy.
void Require(bool is_done, const char* what) {
  if (is_done) return;
  std::perror(what);
  std::abort();
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Require(path.size() < sizeof(address.sun_path), path.c_str());
  path.copy(address.sun_path, path.size());
  return address;
}

// What has arrived; nothing when the other side is gone.
std::optional<std::string> ReadSome(int socket) {
  std::array<char, 16384> buffer;
  const ssize_t size = read(socket, buffer.data(), buffer.size());
  if (size <= 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

bool WriteAll(int socket, std::string_view data) {
  while (!data.empty()) {
    const ssize_t size = send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

LossyProxy::LossyProxy(const std::string& server_host, When when)
    : server_path_(server_host + kSocketName), when_(when) {
  std::string folder = "/tmp/lossy-proxy-XXXXXX";
  Require(mkdtemp(folder.data()) != nullptr, "mkdtemp");
  folder_ = folder;
  stop_ = eventfd(0, EFD_CLOEXEC);
  Require(stop_ >= 0, "eventfd");
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = AddressOf(folder_ + kSocketName);
  Require(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
          "bind");
  Require(listen(listener_, 16) == 0, "listen");
  acceptor_ = std::thread([this] { Accept(); });
}

LossyProxy::~LossyProxy() {
  const std::uint64_t one = 1;
  Require(write(stop_, &one, sizeof(one)) == sizeof(one), "write");
  acceptor_.join();
  std::vector<std::thread> servants;
  {
    absl::MutexLock lock(&mu_);
    servants.swap(servants_);
  }
  for (std::thread& servant : servants) servant.join();
  close(listener_);
  close(stop_);
  std::filesystem::remove_all(folder_);
}

void LossyProxy::Accept() {
  while (true) {
    std::array<pollfd, 2> wanted = {{{listener_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    Require(poll(wanted.data(), wanted.size(), -1) >= 0, "poll");
    if (wanted[1].revents != 0) return;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    ++clients_;
    if (when_ == When::kDown && has_lost_) {
      close(client);
      continue;
    }
    absl::MutexLock lock(&mu_);
    servants_.emplace_back([this, client] { Serve(client); });
  }
}

void LossyProxy::Serve(int client) {
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = AddressOf(server_path_);
  Require(connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
          "connect");
  bool is_over = false;
  while (!is_over) {
    std::array<pollfd, 3> wanted = {{{client, POLLIN, 0}, {server, POLLIN, 0}, {stop_, POLLIN, 0}}};
    Require(poll(wanted.data(), wanted.size(), -1) >= 0, "poll");
    is_over = wanted[2].revents != 0 || (wanted[0].revents != 0 && !FromClient(client, server)) ||
              (wanted[1].revents != 0 && !FromServer(client, server));
  }
  close(client);
  // A server that notices would be a different test.
  if (has_lost_) {
    pollfd stop = {stop_, POLLIN, 0};
    Require(poll(&stop, 1, -1) >= 0, "poll");
  }
  close(server);
}

bool LossyProxy::FromClient(int client, int server) {
  const std::optional<std::string> data = ReadSome(client);
  if (!data.has_value() || !WriteAll(server, *data)) return false;
  if (data->find(kCommit) == std::string::npos || has_lost_.exchange(true)) return true;
  if (when_ == When::kAnswered) {
    std::string answer;
    while (answer.find(kCommit) == std::string::npos) {
      const std::optional<std::string> more = ReadSome(server);
      if (!more.has_value()) break;
      answer += *more;
    }
  }
  return false;
}

bool LossyProxy::FromServer(int client, int server) {
  const std::optional<std::string> data = ReadSome(server);
  return data.has_value() && WriteAll(client, *data);
}

}  // namespace lockstep::pg
