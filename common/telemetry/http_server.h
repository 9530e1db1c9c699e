// A small HTTP server for what a process says about itself: health and metrics.
//
// prometheus-cpp's Exposer serves metrics and nothing else, so this uses the server underneath it
// (CivetWeb) and answers a fixed set of paths. It is not for the work of a service.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace lockstep::telemetry {

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
};

struct HttpServerOptions {
  std::string listen;     // "host:port" or "[ipv6]:port"; port 0 = any that is free
  bool insecure = false;  // allow an address that is not loopback: there is no authentication
  int threads = 3;        // requests that are answered at the same time
  // A client that takes longer to send its request is cut off.
  absl::Duration request_timeout = absl::Seconds(5);
};

// Answers until it is destroyed. Thread-safe.
class HttpServer final {
 public:
  // Makes the answer to GET of one path. Called on the server's threads, several at a time; must
  // return within seconds. What it throws is answered with 500.
  using Page = std::function<HttpResponse()>;

  // Binds and serves `pages`, keyed by exact path ("/metrics"). GET and HEAD; other methods are
  // 405, other paths 404. Errors: INVALID_ARGUMENT (ADDRESS_INVALID), FAILED_PRECONDITION
  // (ADDRESS_NOT_LOOPBACK), UNAVAILABLE (ADDRESS_IN_USE, ADDRESS_NOT_USABLE); the message names
  // the address.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const HttpServerOptions& options, std::map<std::string, Page> pages);
  // Waits for requests that are being answered.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The port in use, also when port 0 was asked for.
  int port() const;
  // "127.0.0.1:7204".
  const std::string& address() const;

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace lockstep::telemetry
