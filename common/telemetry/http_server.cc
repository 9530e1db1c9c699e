#include "common/telemetry/http_server.h"

#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include "civetweb.h"
#include "common/log/log.h"
#include "common/rpc/address.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::telemetry {
namespace {

absl::Status NotLoopback(const rpc::ListenAddress& address) {
  return Error(absl::StatusCode::kFailedPrecondition, "ADDRESS_NOT_LOOPBACK",
               "refusing to serve health and metrics on " + address.Text() +
                   ": they have neither authentication nor TLS, so only loopback addresses are"
                   " served; pass --insecure if the network around it is trusted");
}

// CivetWeb wants numbers.
absl::StatusOr<rpc::ListenAddress> AddressOf(const HttpServerOptions& options) {
  ASSIGN_OR_RETURN(rpc::ListenAddress address, rpc::ParseListenAddress(options.listen));
  if (address.is_unix()) {
    return Error(
        absl::StatusCode::kInvalidArgument, "ADDRESS_INVALID",
        "'" + options.listen + "' cannot serve health and metrics: use host:port or [ipv6]:port");
  }
  if (!address.IsLoopback() && !options.insecure) return NotLoopback(address);
  if (address.host == "localhost") address.host = "127.0.0.1";
  return address;
}

void Write(mg_connection* connection, const HttpResponse& response, bool with_body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            response.status, mg_get_response_code_text(connection, response.status),
            response.content_type.c_str(), response.body.size(),
            response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

}  // namespace

struct HttpServer::State {
  std::map<std::string, Page> pages;
  std::string address;
  int port = 0;
  mg_context* context = nullptr;

  HttpResponse Answer(std::string_view method, const std::string& path) const {
    const auto page = pages.find(path);
    if (page == pages.end()) return {.status = 404, .body = "not found\n"};
    if (method != "GET" && method != "HEAD") return {.status = 405, .body = "use GET\n"};
    try {
      return page->second();
    } catch (const std::exception& error) {
      log::Error("http_page_failed", {{"path", path}, {"why", error.what()}});
      return {.status = 500, .body = "internal error\n"};
    }
  }

  // Called by the server for every request; a value from 1 to 999 says that it was answered.
  static int OnRequest(mg_connection* connection) {
    const mg_request_info* request = mg_get_request_info(connection);
    const auto* state = static_cast<const State*>(request->user_data);
    const std::string_view method = request->request_method;
    const HttpResponse response =
        state->Answer(method, request->local_uri == nullptr ? std::string() : request->local_uri);
    Write(connection, response, method != "HEAD");
    return response.status;
  }

  static int OnLog(const mg_connection*, const char* message) {
    log::Warn("http_server", {{"message", message}});
    return 1;  // and CivetWeb writes nothing itself
  }
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              std::map<std::string, Page> pages) {
  ASSIGN_OR_RETURN(rpc::ListenAddress address, AddressOf(options));
  auto state = std::make_unique<State>();
  state->pages = std::move(pages);
  const std::string ports = address.Text();
  const std::string threads = std::to_string(options.threads);
  const std::string timeout = std::to_string(absl::ToInt64Milliseconds(options.request_timeout));
  // No document_root: no file is ever served.
  std::array<const char*, 9> settings = {
      "listening_ports", ports.c_str(),       "num_threads", threads.c_str(), "request_timeout_ms",
      timeout.c_str(),   "enable_keep_alive", "no",          nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = &State::OnRequest;
  callbacks.log_message = &State::OnLog;
  mg_init_library(MG_FEATURES_DEFAULT);
  state->context = mg_start(&callbacks, state.get(), settings.data());
  if (state->context == nullptr) {
    mg_exit_library();
    return rpc::WhyNotBound(address);
  }
  std::array<mg_server_port, 1> bound{};
  if (mg_get_server_ports(state->context, 1, bound.data()) == 1) {
    address.port = static_cast<std::uint16_t>(bound[0].port);
  }
  state->port = address.port;
  state->address = address.Text();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  mg_stop(state_->context);
  mg_exit_library();
}

int HttpServer::port() const { return state_->port; }

const std::string& HttpServer::address() const { return state_->address; }

}  // namespace lockstep::telemetry
