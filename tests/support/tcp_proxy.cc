#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace lockstep::testing {
namespace {

// A test cannot go on without its proxy.
void Require(bool is_done, const char* what) {
  if (is_done) return;
  std::perror(what);
  std::abort();
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

bool WriteAll(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

TcpProxy::TcpProxy(int target_port) : target_port_(target_port) {
  wakeup_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Require(wakeup_ >= 0, "eventfd");
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  Require(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
          "bind");
  Require(listen(listener_, 64) == 0, "listen");
  socklen_t size = sizeof(address);
  Require(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

TcpProxy::~TcpProxy() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
    CloseAll();
  }
  const std::uint64_t one = 1;
  Require(write(wakeup_, &one, sizeof(one)) == sizeof(one), "write");
  thread_.join();
  close(listener_);
  close(wakeup_);
}

void TcpProxy::Set(Link link) {
  {
    absl::MutexLock lock(&mu_);
    link_ = link;
    if (link == Link::kBroken) CloseAll();
  }
  const std::uint64_t one = 1;
  Require(write(wakeup_, &one, sizeof(one)) == sizeof(one), "write");
}

void TcpProxy::CloseAll() {
  for (const auto& [end, unused] : peers_) close(end);
  peers_.clear();
}

void TcpProxy::Serve() {
  while (true) {
    std::vector<pollfd> wanted = {{wakeup_, POLLIN, 0}};
    {
      absl::MutexLock lock(&mu_);
      if (is_stopping_) return;
      if (link_ != Link::kSilent) {
        wanted.push_back({listener_, POLLIN, 0});
        for (const auto& [end, unused] : peers_) wanted.push_back({end, POLLIN, 0});
      }
    }
    Require(poll(wanted.data(), wanted.size(), -1) >= 0, "poll");
    absl::MutexLock lock(&mu_);
    std::uint64_t count = 0;
    // What the wake-up is about may have closed what was polled: look again first.
    if (read(wakeup_, &count, sizeof(count)) > 0 || link_ == Link::kSilent) continue;
    for (const pollfd& one : wanted) {
      if (one.revents == 0) continue;
      if (one.fd == listener_) {
        Accept();
      } else if (peers_.contains(one.fd)) {
        Pass(one.fd);
      }
    }
  }
}

void TcpProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_port_);
  if (link_ != Link::kUp ||
      connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(client);
    close(server);
    return;
  }
  peers_[client] = server;
  peers_[server] = client;
}

void TcpProxy::Pass(int from) {
  const int to = peers_[from];
  std::array<char, 65536> buffer;
  const ssize_t size = read(from, buffer.data(), buffer.size());
  if (size > 0 && WriteAll(to, buffer.data(), static_cast<std::size_t>(size))) return;
  peers_.erase(from);
  peers_.erase(to);
  close(from);
  close(to);
}

}  // namespace lockstep::testing
