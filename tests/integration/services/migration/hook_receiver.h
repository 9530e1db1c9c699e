// A receiver of webhooks in this process: plain sockets, so that it can also fail, be slow, and cut
// the connection.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/json/json.h"

namespace lockstep::migration {

class HookReceiver final {
 public:
  struct Request {
    std::string headers;
    std::string body;
    // "run_started"
    std::string kind() const { return nlohmann::json::parse(body).value("kind", ""); }
    std::string id() const { return nlohmann::json::parse(body).value("id", ""); }
    // "" when the header is missing.
    std::string Header(const std::string& name) const {
      const std::size_t at = headers.find("\r\n" + name + ": ");
      if (at == std::string::npos) return "";
      const std::size_t from = at + name.size() + 4;
      return headers.substr(from, headers.find("\r\n", from) - from);
    }
  };
  // What is done with one request.
  struct Deed {
    int status = 200;  // 0: the connection is cut
    absl::Duration delay = absl::ZeroDuration();
    std::string more_headers = {};  // "Location: ...\r\n"
  };

  HookReceiver() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~HookReceiver() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  HookReceiver(const HookReceiver&) = delete;
  HookReceiver& operator=(const HookReceiver&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook"; }
  // The next requests meet these, one each; later ones are answered with 200.
  void Do(std::vector<Deed> deeds) {
    const std::lock_guard lock(mutex_);
    deeds_ = std::move(deeds);
  }
  // As they came, whatever was answered.
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  // Kinds of the requests that were answered with 200, in their order.
  std::vector<std::string> taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
  }

 private:
  void Serve() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      while (ServeOne(fd)) {
      }
      close(fd);
    }
  }

  // False when the connection is over.
  bool ServeOne(int fd) {
    Request request;
    if (!Read(fd, request)) return false;
    Deed deed;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      if (!deeds_.empty()) {
        deed = deeds_.front();
        deeds_.erase(deeds_.begin());
      }
    }
    absl::SleepFor(deed.delay);
    if (deed.status == 0) return false;
    const std::string answer = "HTTP/1.1 " + std::to_string(deed.status) + " X\r\n" +
                               deed.more_headers + "Content-Length: 0\r\n\r\n";
    if (deed.status == 200) {
      const std::lock_guard lock(mutex_);
      taken_.push_back(request.kind());
    }
    return send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(answer.size());
  }

  static bool Read(int fd, Request& request) {
    std::string text;
    std::array<char, 8192> buffer{};
    while (true) {
      const std::size_t end = text.find("\r\n\r\n");
      if (end != std::string::npos) {
        request.headers = text.substr(0, end + 2);
        const std::size_t length =
            std::strtoul(request.Header("Content-Length").c_str(), nullptr, 10);
        if (text.size() >= end + 4 + length) {
          request.body = text.substr(end + 4, length);
          return true;
        }
      }
      const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) return false;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Deed> deeds_;
  std::vector<Request> requests_;
  std::vector<std::string> taken_;
  std::thread thread_;
};

}  // namespace lockstep::migration
