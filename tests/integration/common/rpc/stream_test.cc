// Streams through the runner: flow control, early ends, clients that go away.
#include <atomic>
#include <thread>

#include "tests/integration/common/rpc/echo_server.h"

namespace lockstep::rpc {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;

absl::Status RepeatAll(const pb::RepeatRequest& request, StreamWriter<pb::RepeatResponse>& writer,
                       std::atomic<int>& written) {
  for (int i = 0; i < request.count(); ++i) {
    pb::RepeatResponse response;
    response.set_index(i);
    response.set_body(std::string(static_cast<std::size_t>(request.bytes()), 'x'));
    RETURN_IF_ERROR(writer.Write(std::move(response)));
    ++written;
  }
  return absl::OkStatus();
}

TEST(ServerStream, DeliversEveryMessageInOrder) {
  EchoServer server;
  std::atomic<int> written = 0;
  server.service.repeat = [&](const Call&, const pb::RepeatRequest& request,
                              StreamWriter<pb::RepeatResponse>& writer) {
    return RepeatAll(request, writer, written);
  };
  grpc::ClientContext context;
  pb::RepeatRequest request;
  request.set_count(20'000);
  request.set_bytes(100);
  const auto reader = server.stub->Repeat(&context, request);
  pb::RepeatResponse response;
  int next = 0;
  while (reader->Read(&response)) ASSERT_EQ(response.index(), next++);

  EXPECT_OK(FromGrpc(reader->Finish()));
  EXPECT_EQ(next, 20'000);
}

TEST(ServerStream, SendsTheErrorAfterTheMessages) {
  EchoServer server;
  server.service.repeat = [&](const Call&, const pb::RepeatRequest&,
                              StreamWriter<pb::RepeatResponse>& writer) -> absl::Status {
    for (int i = 0; i < 10; ++i) RETURN_IF_ERROR(writer.Write({}));
    return Error(absl::StatusCode::kDataLoss, "ROW_BROKEN", "row 11");
  };
  grpc::ClientContext context;
  const auto reader = server.stub->Repeat(&context, {});
  pb::RepeatResponse response;
  int count = 0;
  while (reader->Read(&response)) ++count;

  EXPECT_EQ(count, 10);
  EXPECT_THAT(FromGrpc(reader->Finish()),
              StatusIs(absl::StatusCode::kDataLoss, Reason("ROW_BROKEN")));
}

TEST(ServerStream, SlowClientHoldsTheWriterAndCancelFreesIt) {
  // Before the server, which ends its handlers before it is gone.
  std::atomic<int> written = 0;
  absl::Notification ended;
  absl::Status outcome;
  EchoServer server;
  server.service.repeat = [&](const Call&, const pb::RepeatRequest& request,
                              StreamWriter<pb::RepeatResponse>& writer) {
    outcome = RepeatAll(request, writer, written);
    ended.Notify();
    return outcome;
  };
  grpc::ClientContext context;
  pb::RepeatRequest request;
  request.set_count(10'000);
  request.set_bytes(100'000);  // a gigabyte in all
  const auto reader = server.stub->Repeat(&context, request);
  pb::RepeatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // Nobody reads on: the writer comes to a halt far from the end.
  int before = -1;
  ASSERT_TRUE(Eventually([&] {
    const int now = written;
    const bool is_still = now == before;
    before = now;
    absl::SleepFor(absl::Milliseconds(50));
    return is_still;
  }));
  EXPECT_LT(written, 2'000);
  EXPECT_FALSE(ended.HasBeenNotified());

  context.TryCancel();

  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kCancelled));
}

TEST(ServerStream, SlowClientCannotHoldAWorkerBeyondTheDefaultDeadline) {
  std::atomic<int> written = 0;
  absl::Notification ended;
  absl::Status outcome;
  EchoServer server;
  // Long enough for the first message to arrive on a busy machine.
  server.service.method_options.default_deadline = absl::Seconds(2);
  server.service.repeat = [&](const Call&, const pb::RepeatRequest& request,
                              StreamWriter<pb::RepeatResponse>& writer) {
    outcome = RepeatAll(request, writer, written);
    ended.Notify();
    return outcome;
  };
  grpc::ClientContext context;
  pb::RepeatRequest request;
  request.set_count(10'000);
  request.set_bytes(100'000);
  const auto reader = server.stub->Repeat(&context, request);
  pb::RepeatResponse response;
  ASSERT_TRUE(reader->Read(&response));

  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kDeadlineExceeded, Reason("DEADLINE_PASSED")));
  while (reader->Read(&response)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

TEST(ServerStream, LongStreamsDoNotStarveUnaryCalls) {
  EchoServer server;
  absl::Notification go;
  std::atomic<int> running = 0;
  server.service.repeat = [&](const Call&, const pb::RepeatRequest&,
                              StreamWriter<pb::RepeatResponse>&) {
    ++running;
    go.WaitForNotificationWithTimeout(kPatience);
    return absl::OkStatus();
  };
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<pb::RepeatResponse>>> readers;
  for (int i = 0; i < 4; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(server.stub->Repeat(contexts.back().get(), {}));
  }
  ASSERT_TRUE(Eventually([&] { return running == 2; }));

  EXPECT_OK(server.Echo("still here"));

  go.Notify();
  for (auto& reader : readers) {
    pb::RepeatResponse response;
    while (reader->Read(&response)) {
    }
    EXPECT_OK(FromGrpc(reader->Finish()));
  }
}

absl::StatusOr<pb::CollectResponse> CollectAll(StreamReader<pb::CollectRequest>& reader) {
  pb::CollectResponse response;
  while (true) {
    ASSIGN_OR_RETURN(std::optional<pb::CollectRequest> message, reader.Read());
    if (!message.has_value()) return response;
    response.set_count(response.count() + 1);
  }
}

TEST(ClientStream, ReadsEveryMessage) {
  EchoServer server;
  server.service.collect = [](const Call&, StreamReader<pb::CollectRequest>& reader) {
    return CollectAll(reader);
  };
  grpc::ClientContext context;
  pb::CollectResponse response;
  const auto writer = server.stub->Collect(&context, &response);
  pb::CollectRequest message;
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(writer->Write(message));
  writer->WritesDone();

  EXPECT_OK(FromGrpc(writer->Finish()));
  EXPECT_EQ(response.count(), 20'000);
}

TEST(ClientStream, ChecksEveryMessage) {
  EchoServer server;
  server.service.collect = [](const Call&, StreamReader<pb::CollectRequest>& reader) {
    return CollectAll(reader);
  };
  grpc::ClientContext context;
  pb::CollectResponse response;
  const auto writer = server.stub->Collect(&context, &response);
  pb::CollectRequest message;
  ASSERT_TRUE(writer->Write(message));
  message.set_text(std::string(1, '\0'));
  writer->Write(message);
  writer->WritesDone();

  EXPECT_THAT(FromGrpc(writer->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("TEXT_HAS_NUL")));
}

TEST(ClientStream, HandlerMayAnswerBeforeTheEnd) {
  EchoServer server;
  server.service.collect =
      [](const Call&,
         StreamReader<pb::CollectRequest>& reader) -> absl::StatusOr<pb::CollectResponse> {
    RETURN_IF_ERROR(reader.Read().status());
    return Error(absl::StatusCode::kInvalidArgument, "HEADER_WRONG", "not a report");
  };
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  pb::CollectResponse response;
  const auto writer = server.stub->Collect(&context, &response);
  pb::CollectRequest message;
  message.set_text(std::string(100'000, 'x'));
  int sent = 0;
  while (sent < 10'000 && writer->Write(message)) ++sent;

  EXPECT_THAT(FromGrpc(writer->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("HEADER_WRONG")));
  EXPECT_LT(sent, 10'000);
}

TEST(ClientStream, SlowHandlerHoldsTheClient) {
  EchoServer server;
  absl::Notification go;
  server.service.collect = [&](const Call&, StreamReader<pb::CollectRequest>& reader) {
    go.WaitForNotificationWithTimeout(kPatience);
    return CollectAll(reader);
  };
  grpc::ClientContext context;
  pb::CollectResponse response;
  const auto writer = server.stub->Collect(&context, &response);
  std::atomic<int> sent = 0;
  std::thread client([&] {
    pb::CollectRequest message;
    message.set_text(std::string(1'000'000, 'x'));
    while (sent < 120 && writer->Write(message)) ++sent;
    writer->WritesDone();
  });
  int before = -1;
  ASSERT_TRUE(Eventually([&] {
    const int now = sent;
    const bool is_still = now == before;
    before = now;
    absl::SleepFor(absl::Milliseconds(50));
    return is_still;
  }));
  EXPECT_LT(sent, 60);

  go.Notify();
  client.join();
  EXPECT_OK(FromGrpc(writer->Finish()));
  EXPECT_EQ(response.count(), 120);
}

// Half a file must never look like a whole one, however the end of the reads and the news of the
// cancellation race.
TEST(ClientStream, ClientThatGoesAwayIsNeverAnEnd) {
  EchoServer server;
  std::atomic<int> ended_cleanly = 0;
  std::atomic<int> failed = 0;
  absl::Notification* first_read = nullptr;
  server.service.collect =
      [&](const Call&,
          StreamReader<pb::CollectRequest>& reader) -> absl::StatusOr<pb::CollectResponse> {
    RETURN_IF_ERROR(reader.Read().status());
    first_read->Notify();
    auto result = CollectAll(reader);
    ++(result.ok() ? ended_cleanly : failed);
    return result;
  };
  constexpr int kRounds = 200;
  for (int i = 0; i < kRounds; ++i) {
    absl::Notification read;
    first_read = &read;
    grpc::ClientContext context;
    pb::CollectResponse response;
    const auto writer = server.stub->Collect(&context, &response);
    ASSERT_TRUE(writer->Write({}));
    ASSERT_TRUE(read.WaitForNotificationWithTimeout(kPatience));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
    ASSERT_TRUE(Eventually([&] { return ended_cleanly + failed == i + 1; }));
  }

  EXPECT_EQ(ended_cleanly, 0);
  EXPECT_EQ(failed, kRounds);
}

}  // namespace
}  // namespace lockstep::rpc
