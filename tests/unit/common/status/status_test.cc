#include <string>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace lockstep {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOk;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::Not;

template <typename Message>
Message PayloadOf(const absl::Status& status) {
  Message message;
  const auto payload = status.GetPayload("type.googleapis.com/" + message.GetTypeName());
  EXPECT_TRUE(payload.has_value() && message.ParseFromString(std::string(*payload)))
      << message.GetTypeName();
  return message;
}

absl::Status Full() {
  return Error(absl::StatusCode::kFailedPrecondition, "ORDER_STATUS_FINAL", "a final order stays")
      .With("order", "7f3c")
      .With("lines", 3)
      .Field("status", "must not change")
      .Field("order.fee", "must not be negative")
      .RetryAfter(std::chrono::milliseconds(1250));
}

TEST(Error, CarriesTheStandardDetails) {
  const absl::Status status = Full();

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(MessageOf(status), "a final order stays");
  const auto info = PayloadOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.reason(), "ORDER_STATUS_FINAL");
  EXPECT_EQ(info.domain(), "");
  EXPECT_EQ(info.metadata().at("order"), "7f3c");
  EXPECT_EQ(info.metadata().at("lines"), "3");
  const auto bad = PayloadOf<google::rpc::BadRequest>(status);
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(1).field(), "order.fee");
  EXPECT_EQ(bad.field_violations(1).description(), "must not be negative");
  const auto retry = PayloadOf<google::rpc::RetryInfo>(status);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 250'000'000);
}

TEST(Error, IsReadBackByTheAccessors) {
  const absl::Status status = Full();

  EXPECT_EQ(ReasonOf(status), "ORDER_STATUS_FINAL");
  EXPECT_EQ(MetadataOf(status, "order"), "7f3c");
  EXPECT_EQ(MetadataOf(status, "other"), "");
  ASSERT_EQ(FieldsOf(status).size(), 2u);
  EXPECT_EQ(FieldsOf(status)[0].field, "status");
}

TEST(Error, LeavesOutWhatWasNotSaid) {
  const absl::Status status =
      Error(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND", "no such order");

  EXPECT_FALSE(status.GetPayload("type.googleapis.com/google.rpc.BadRequest").has_value());
  EXPECT_FALSE(status.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
}

TEST(Error, BecomesAStatusOr) {
  const auto find = [](bool is_there) -> absl::StatusOr<int> {
    if (!is_there) return Error(absl::StatusCode::kNotFound, "ORDER_NOT_FOUND", "no such order");
    return 7;
  };
  EXPECT_THAT(find(true), IsOkAndHolds(7));
  EXPECT_THAT(find(false), StatusIs(absl::StatusCode::kNotFound, Reason("ORDER_NOT_FOUND")));
}

TEST(Error, StatusesOfOthersHaveNoReason) {
  for (const absl::Status& status : {absl::OkStatus(), absl::InternalError("x")}) {
    EXPECT_EQ(ReasonOf(status), "");
    EXPECT_EQ(MetadataOf(status, "order"), "");
    EXPECT_TRUE(FieldsOf(status).empty());
  }
}

TEST(InvalidField, NamesItsField) {
  const absl::Status status =
      InvalidField("page_size", "PAGE_SIZE_NEGATIVE", "must not be negative");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasField("page_size")));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInvalidArgument, HasField("page"))));
  EXPECT_EQ(ReasonOf(status), "PAGE_SIZE_NEGATIVE");
  EXPECT_EQ(MessageOf(status), "page_size: must not be negative");
}

TEST(PrefixFields, PutsThePathInFront) {
  const absl::Status status = PrefixFields(Full(), "orders[3]");

  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasField("orders[3].order.fee")));
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasField("orders[3].status")));
  EXPECT_EQ(ReasonOf(status), "ORDER_STATUS_FINAL");
}

TEST(PrefixFields, LeavesOtherStatusesAlone) {
  EXPECT_OK(PrefixFields(absl::OkStatus(), "a"));
  EXPECT_EQ(PrefixFields(absl::InternalError("x"), "a"), absl::InternalError("x"));
}

TEST(WithDomain, NamesTheServiceOnce) {
  const absl::Status status = WithDomain(WithDomain(Full(), "orders.lockstep"), "catalog.lockstep");

  const auto info = PayloadOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.domain(), "orders.lockstep");
  EXPECT_EQ(info.reason(), "ORDER_STATUS_FINAL");
  EXPECT_EQ(FieldsOf(status).size(), 2u);
}

TEST(WithDomain, GivesEveryErrorAReason) {
  const absl::Status status = WithDomain(absl::UnavailableError("down"), "orders.lockstep");

  const auto info = PayloadOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.domain(), "orders.lockstep");
  EXPECT_EQ(info.reason(), "UNAVAILABLE");
  EXPECT_OK(WithDomain(absl::OkStatus(), "orders.lockstep"));
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return Error(absl::StatusCode::kInvalidArgument, "ODD", "must be even");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  int quarter = 0;
  ASSIGN_OR_RETURN(quarter, Half(half));
  return quarter;
}

absl::Status CheckQuarter(int value) {
  RETURN_IF_ERROR(Quarter(value).status());
  return absl::OkStatus();
}

TEST(Macros, PassErrorsOnAndValuesThrough) {
  EXPECT_THAT(Quarter(8), IsOkAndHolds(2));
  EXPECT_THAT(Quarter(6), StatusIs(absl::StatusCode::kInvalidArgument, Reason("ODD")));
  EXPECT_THAT(CheckQuarter(8), IsOk());
  EXPECT_THAT(CheckQuarter(7), Not(IsOk()));
}

}  // namespace
}  // namespace lockstep
