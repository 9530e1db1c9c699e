#include "common/telemetry/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::telemetry {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<std::unique_ptr<HttpServer>> Serve(const std::string& listen) {
  return HttpServer::Start({.listen = listen},
                           {{"/hello", [] { return HttpResponse{.body = "hello\n"}; }},
                            {"/broken", []() -> HttpResponse { throw std::runtime_error("no"); }}});
}

// The whole answer to one request.
std::string Ask(int port, const std::string& request_line) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = request_line + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while ((got = recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
      answer.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  close(fd);
  return answer;
}

TEST(HttpServer, AnswersItsPagesAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(const auto server, Serve("127.0.0.1:0"));
  const int port = server->port();
  ASSERT_GT(port, 0);
  EXPECT_EQ(server->address(), "127.0.0.1:" + std::to_string(port));

  const std::string hello = Ask(port, "GET /hello");
  EXPECT_THAT(hello, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(hello, HasSubstr("Content-Length: 6\r\n"));
  EXPECT_THAT(hello, EndsWith("\r\n\r\nhello\n"));
  EXPECT_THAT(Ask(port, "HEAD /hello"), EndsWith("\r\n\r\n"));
  EXPECT_THAT(Ask(port, "POST /hello"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(port, "GET /etc/passwd"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(port, "GET /broken"), StartsWith("HTTP/1.1 500 "));
}

TEST(HttpServer, SaysThatItsAddressIsInUse) {
  ASSERT_OK_AND_ASSIGN(const auto first, Serve("127.0.0.1:0"));

  const auto second = Serve(first->address());

  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable, Reason("ADDRESS_IN_USE")));
  EXPECT_THAT(MessageOf(second.status()), HasSubstr(first->address()));
}

TEST(HttpServer, RefusesOtherAddressesThanLoopback) {
  EXPECT_THAT(Serve("0.0.0.0:0"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ADDRESS_NOT_LOOPBACK")));
  EXPECT_THAT(Serve("unix:/tmp/x"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("ADDRESS_INVALID")));
}

}  // namespace
}  // namespace lockstep::telemetry
