#include "common/rpc/address.h"

#include <string>

#include "common/status/testing.h"
#include "gmock/gmock.h"

namespace lockstep::rpc {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;

struct AddressCase {
  const char* name;
  const char* text;
  const char* want;  // nullptr = refused
  bool is_loopback;
};
class ListenAddressTest : public ::testing::TestWithParam<AddressCase> {};

TEST_P(ListenAddressTest, ReadsHostAndPort) {
  const AddressCase& param = GetParam();
  const auto address = ParseListenAddress(param.text);
  if (param.want == nullptr) {
    EXPECT_THAT(address, StatusIs(absl::StatusCode::kInvalidArgument, Reason("ADDRESS_INVALID")));
    return;
  }
  ASSERT_OK(address);
  EXPECT_EQ(address->Text(), param.want);
  EXPECT_EQ(address->IsLoopback(), param.is_loopback);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ListenAddressTest,
    ::testing::Values(AddressCase{"V4", "127.0.0.1:7101", "127.0.0.1:7101", true},
                      AddressCase{"WholeLoopbackNet", "127.8.9.1:1", "127.8.9.1:1", true},
                      AddressCase{"Name", "localhost:0", "localhost:0", true},
                      AddressCase{"V6", "[::1]:7101", "[::1]:7101", true},
                      AddressCase{"Unix", "unix:/run/x.sock", "unix:/run/x.sock", true},
                      AddressCase{"AnyV4", "0.0.0.0:7101", "0.0.0.0:7101", false},
                      AddressCase{"AnyV6", "[::]:7101", "[::]:7101", false},
                      AddressCase{"OtherName", "db.example:7101", "db.example:7101", false},
                      AddressCase{"NoPort", "127.0.0.1", nullptr, false},
                      AddressCase{"NoHost", ":7101", nullptr, false},
                      AddressCase{"PortTooLarge", "127.0.0.1:65536", nullptr, false},
                      AddressCase{"PortNotANumber", "127.0.0.1:http", nullptr, false},
                      AddressCase{"BareV6", "::1:7101", nullptr, false},
                      AddressCase{"EmptyUnix", "unix:", nullptr, false},
                      AddressCase{"Empty", "", nullptr, false}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lockstep::rpc
