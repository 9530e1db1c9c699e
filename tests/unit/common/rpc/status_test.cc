#include "common/rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "common/rpc/call_core.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "lockstep/testing/v1/echo.pb.h"

namespace lockstep::rpc {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename Message>
Message Detail(const grpc::Status& status) {
  Message message;
  const google::rpc::Status details = Details(status);
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&message)) return message;
  }
  ADD_FAILURE() << "no " << Message::descriptor()->full_name();
  return message;
}

TEST(ToGrpc, SendsReasonDomainFieldsRetryAndRequestId) {
  const absl::Status status = Error(absl::StatusCode::kInvalidArgument, "BAD_ORDER", "no good")
                                  .With("order", "7")
                                  .Field("order.id", "must be a number")
                                  .RetryAfter(std::chrono::milliseconds(1500));

  const grpc::Status outside = ToGrpc(status, "orders.lockstep", "req-1");

  EXPECT_EQ(outside.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(outside.error_message(), "no good");
  const auto info = Detail<google::rpc::ErrorInfo>(outside);
  EXPECT_EQ(info.reason(), "BAD_ORDER");
  EXPECT_EQ(info.domain(), "orders.lockstep");
  EXPECT_EQ(info.metadata().at("order"), "7");
  EXPECT_EQ(Detail<google::rpc::BadRequest>(outside).field_violations(0).field(), "order.id");
  EXPECT_EQ(Detail<google::rpc::RetryInfo>(outside).retry_delay().seconds(), 1);
  EXPECT_EQ(Detail<google::rpc::RequestInfo>(outside).request_id(), "req-1");
}

TEST(ToGrpc, GivesAReasonToAStatusWithoutOne) {
  const auto info =
      Detail<google::rpc::ErrorInfo>(ToGrpc(absl::NotFoundError("gone"), "orders.lockstep", "r"));

  EXPECT_EQ(info.reason(), "NOT_FOUND");
  EXPECT_EQ(info.domain(), "orders.lockstep");
}

TEST(ToGrpc, KeepsPayloadsOfOtherTypesInside) {
  absl::Status status = Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", "x");
  status.SetPayload("type.lockstep/pg.Diagnostics", absl::Cord("DETAIL: Key (email)=(a@b.c)"));

  const grpc::Status outside = ToGrpc(status, "orders.lockstep", "r");

  EXPECT_EQ(Details(outside).details_size(), 2);  // ErrorInfo, RequestInfo
  EXPECT_EQ(outside.error_details().find("a@b.c"), std::string::npos);
}

TEST(ToGrpc, StaysBelowTheLimitAndSaysWhatItLeftOut) {
  ErrorBuilder error = Error(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID", "many");
  for (int i = 0; i < 1000; ++i) {
    error = std::move(error).Field("items[" + std::to_string(i) + "].name", "is required");
  }

  const grpc::Status outside = ToGrpc(error, "orders.lockstep", "r");

  EXPECT_LE(outside.error_details().size(), kMaxStatusBytes);
  const int listed = Detail<google::rpc::BadRequest>(outside).field_violations_size();
  EXPECT_GT(listed, 20);
  EXPECT_EQ(Detail<google::rpc::ErrorInfo>(outside).metadata().at("omitted_field_violations"),
            std::to_string(1000 - listed));
}

TEST(ToGrpc, BoundsHugeTextsAtCharacterBorders) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "\u00e4";
  ErrorBuilder error = Error(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID", text);
  for (int i = 0; i < 50; ++i) error = std::move(error).With("k" + std::to_string(i), text);

  const grpc::Status outside = ToGrpc(std::move(error).Field(text, text), "d", "r");

  EXPECT_LE(outside.error_details().size(), kMaxStatusBytes);
  EXPECT_LE(outside.error_message().size(), 512U);
  EXPECT_TRUE(outside.error_message().ends_with("\u00e4..."));
}

TEST(ToGrpc, OkHasNoDetails) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus(), "d", "r").ok());
  EXPECT_EQ(ToGrpc(absl::OkStatus(), "d", "r").error_details(), "");
}

TEST(FromGrpc, RestoresWhatWasSent) {
  const absl::Status before = Error(absl::StatusCode::kAborted, "ETAG_MISMATCH", "read again")
                                  .With("etag", "abc")
                                  .Field("etag", "is old");

  const absl::Status after = FromGrpc(ToGrpc(before, "orders.lockstep", "r"));

  EXPECT_THAT(after, StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  EXPECT_THAT(after, StatusIs(absl::StatusCode::kAborted, HasField("etag")));
  EXPECT_EQ(MetadataOf(after, "etag"), "abc");
  EXPECT_EQ(MessageOf(after), "read again");
}

TEST(FromGrpc, NamesWhatGrpcItselfAnswers) {
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no route")),
              StatusIs(absl::StatusCode::kUnavailable, Reason("PEER_UNREACHABLE")));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "")),
              StatusIs(absl::StatusCode::kUnimplemented, Reason("UNIMPLEMENTED")));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "", "\xff\xff not a message")),
              StatusIs(absl::StatusCode::kInternal, Reason("INTERNAL")));
  EXPECT_OK(FromGrpc(grpc::Status::OK));
}

TEST(MethodNameOf, FindsTheMethodByItsRequest) {
  EXPECT_EQ(MethodNameOf(*lockstep::testing::v1::EchoRequest::descriptor()),
            "lockstep.testing.v1.EchoService/Echo");
  EXPECT_EQ(MethodNameOf(*lockstep::testing::v1::UpdateItemRequest::descriptor()),
            "lockstep.testing.v1.UpdateItem");
}

}  // namespace
}  // namespace lockstep::rpc
