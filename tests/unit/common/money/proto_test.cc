#include "common/money/proto.h"

#include <limits>

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::money {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

google::type::Money Message(const char* currency, std::int64_t units, std::int32_t nanos) {
  google::type::Money message;
  message.set_currency_code(currency);
  message.set_units(units);
  message.set_nanos(nanos);
  return message;
}

TEST(MoneyProto, ReadsWholeMinorUnits) {
  EXPECT_THAT(FromProto(Message("EUR", 12, 340'000'000), "f"), IsOkAndHolds(Money(kEur, 1234)));
  EXPECT_THAT(FromProto(Message("EUR", 0, -70'000'000), "f"), IsOkAndHolds(Money(kEur, -7)));
  EXPECT_THAT(FromProto(Message("JPY", -5, 0), "f"), IsOkAndHolds(Money(kJpy, -5)));
}

struct BadCase {
  google::type::Money message;
  const char* reason;
  const char* field;
};

TEST(MoneyProto, NamesTheFieldThatIsWrong) {
  constexpr auto kMaxUnits = std::numeric_limits<std::int64_t>::max();
  for (const BadCase& test :
       {BadCase{Message("", 1, 0), "CURRENCY_UNKNOWN", "order.fee.currency_code"},
        {Message("eur", 1, 0), "CURRENCY_UNKNOWN", "order.fee.currency_code"},
        {Message("EUR", 1, 1'000'000'000), "NANOS_OUT_OF_RANGE", "order.fee.nanos"},
        {Message("EUR", -1, -1'000'000'000), "NANOS_OUT_OF_RANGE", "order.fee.nanos"},
        {Message("EUR", 1, -10'000'000), "AMOUNT_SIGNS_DIFFER", "order.fee.nanos"},
        {Message("EUR", -1, 10'000'000), "AMOUNT_SIGNS_DIFFER", "order.fee.nanos"},
        {Message("EUR", 1, 1'000'000), "AMOUNT_TOO_FINE", "order.fee.nanos"},
        {Message("JPY", 1, 10'000'000), "AMOUNT_TOO_FINE", "order.fee.nanos"},
        {Message("EUR", kMaxUnits, 0), "AMOUNT_OUT_OF_RANGE", "order.fee.units"}}) {
    EXPECT_THAT(FromProto(test.message, "order.fee"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::AllOf(Reason(test.reason), HasField(test.field))))
        << test.message.ShortDebugString();
  }
}

TEST(MoneyProto, RoundTrips) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  for (const Money& money : {Money(kEur, 0), Money(kEur, 1), Money(kEur, -1), Money(kEur, -12'345),
                             Money(kJpy, 99), Money(kEur, kMin), *ParseMoney("-1.234", "KWD")}) {
    EXPECT_THAT(FromProto(ToProto(money), "f"), IsOkAndHolds(money)) << money.ToDecimalText();
  }
}

}  // namespace
}  // namespace lockstep::money
