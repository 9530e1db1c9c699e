#include "common/request_id/request_id.h"

#include <google/protobuf/struct.pb.h>

#include <string>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::request_id {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

TEST(RequestId, IsAUuidOrEmpty) {
  EXPECT_OK(Validate(""));
  EXPECT_OK(Validate("7f3c0000-0000-4000-8000-00000000abcd"));
  EXPECT_OK(Validate("7F3C0000-0000-4000-8000-00000000ABCD"));

  for (const char* bad :
       {"x", "7f3c0000", " ", "7f3c0000-0000-4000-8000-00000000abc",
        "{7f3c0000-0000-4000-8000-00000000abcd}", "7f3c0000-0000-4000-8000-00000000abcg",
        "7f3c000000004000800000000000abcd", "00000000-0000-0000-0000-000000000000"}) {
    EXPECT_THAT(Validate(bad),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(Reason("REQUEST_ID_INVALID"), HasField("request_id"))))
        << bad;
  }
}

google::protobuf::Struct StructOf(std::initializer_list<std::string> names) {
  google::protobuf::Struct message;
  for (const std::string& name : names) {
    (*message.mutable_fields())[name].set_string_value("v" + name);
  }
  return message;
}

TEST(RequestDigest, DoesNotDependOnTheOrderOfMaps) {
  EXPECT_EQ(Digest(StructOf({"a", "b", "c", "d", "e"})),
            Digest(StructOf({"e", "d", "c", "b", "a"})));
  EXPECT_EQ(Digest(StructOf({"a"})).size(), 32u);
}

TEST(RequestDigest, DiffersForOtherContent) {
  EXPECT_NE(Digest(StructOf({"a"})), Digest(StructOf({"b"})));
  EXPECT_NE(Digest(StructOf({})), Digest(StructOf({"a"})));
}

}  // namespace
}  // namespace lockstep::request_id
