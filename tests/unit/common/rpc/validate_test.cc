#include "common/rpc/validate.h"

#include <functional>
#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "lockstep/testing/v1/echo.pb.h"

namespace lockstep::rpc {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::lockstep::testing::v1::CheckRequest;
using ::lockstep::testing::v1::Item;
using ::lockstep::testing::v1::UpdateItemRequest;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const std::string kNul("a\0b", 3);

void FillItem(Item& item) {
  item.set_name("x");
  item.set_color(Item::COLOR_RED);
  item.set_quantity(0);
}

CheckRequest Good() {
  CheckRequest request;
  FillItem(*request.mutable_item());
  return request;
}

std::vector<std::string> BadPaths(const absl::Status& status) {
  std::vector<std::string> paths;
  for (const FieldViolation& violation : FieldsOf(status)) paths.push_back(violation.field);
  return paths;
}

struct Case {
  const char* name;
  std::function<void(CheckRequest&)> change;
  const char* path;  // "" = accepted
  const char* reason;
};
class ValidateOneField : public ::testing::TestWithParam<Case> {};

TEST_P(ValidateOneField, NamesThePathAndTheReason) {
  CheckRequest request = Good();
  GetParam().change(request);

  const absl::Status status = ValidateRequest(request);

  if (std::string(GetParam().path).empty()) {
    EXPECT_THAT(status, IsOk());
    return;
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, Reason(GetParam().reason)));
  EXPECT_THAT(BadPaths(status), ElementsAre(GetParam().path));
}

void SetMoney(CheckRequest& request, const char* currency, std::int64_t units, std::int32_t nanos) {
  auto* price = request.mutable_item()->mutable_price();
  price->set_currency_code(currency);
  price->set_units(units);
  price->set_nanos(nanos);
}

void SetTime(CheckRequest& request, std::int64_t seconds, std::int32_t nanos) {
  request.mutable_item()->mutable_sold_at()->set_seconds(seconds);
  request.mutable_item()->mutable_sold_at()->set_nanos(nanos);
}

INSTANTIATE_TEST_SUITE_P(
    Text, ValidateOneField,
    ::testing::Values(
        Case{"Plain", [](CheckRequest& r) { r.mutable_item()->set_name("\u00e4 fine"); }, "", ""},
        Case{"InMessage", [](CheckRequest& r) { r.mutable_item()->set_name(kNul); }, "item.name",
             "TEXT_HAS_NUL"},
        Case{"InList",
             [](CheckRequest& r) {
               r.add_tags("ok");
               r.add_tags(kNul);
             },
             "tags[1]", "TEXT_HAS_NUL"},
        Case{"InListOfMessages",
             [](CheckRequest& r) {
               FillItem(*r.add_items());
               FillItem(*r.add_items());
               FillItem(*r.add_items());
               r.mutable_items(2)->set_name(kNul);
             },
             "items[2].name", "TEXT_HAS_NUL"},
        Case{"InMapValue", [](CheckRequest& r) { (*r.mutable_labels())["eu"] = kNul; },
             "labels[\"eu\"]", "TEXT_HAS_NUL"},
        Case{"InMapKey", [](CheckRequest& r) { (*r.mutable_labels())[kNul] = "x"; }, "labels[0]",
             "TEXT_HAS_NUL"},
        Case{"InMapOfMessages",
             [](CheckRequest& r) {
               FillItem((*r.mutable_by_name())["k"]);
               (*r.mutable_by_name())["k"].set_name(kNul);
             },
             "by_name[\"k\"].name", "TEXT_HAS_NUL"},
        Case{"BytesAreNotText", [](CheckRequest& r) { r.set_raw(kNul); }, "", ""},
        Case{"StructIsNotLookedInto",
             [](CheckRequest& r) {
               (*r.mutable_anything()->mutable_fields())["k"].set_string_value(kNul);
             },
             "", ""}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Money, ValidateOneField,
    ::testing::Values(
        Case{"Good", [](CheckRequest& r) { SetMoney(r, "EUR", 12, 340'000'000); }, "", ""},
        Case{"Negative", [](CheckRequest& r) { SetMoney(r, "EUR", -12, -340'000'000); }, "", ""},
        Case{"Zero", [](CheckRequest& r) { SetMoney(r, "EUR", 0, 0); }, "", ""},
        Case{"NoCurrency", [](CheckRequest& r) { SetMoney(r, "", 1, 0); },
             "item.price.currency_code", "CURRENCY_UNKNOWN"},
        Case{"UnknownCurrency", [](CheckRequest& r) { SetMoney(r, "XQX", 1, 0); },
             "item.price.currency_code", "CURRENCY_UNKNOWN"},
        Case{"TooFine", [](CheckRequest& r) { SetMoney(r, "EUR", 1, 1'000'000); },
             "item.price.nanos", "AMOUNT_TOO_FINE"},
        Case{"TooFineForYen", [](CheckRequest& r) { SetMoney(r, "JPY", 1, 500'000'000); },
             "item.price.nanos", "AMOUNT_TOO_FINE"},
        Case{"NanosTooLarge", [](CheckRequest& r) { SetMoney(r, "EUR", 1, 1'000'000'000); },
             "item.price.nanos", "NANOS_OUT_OF_RANGE"},
        Case{"Largest", [](CheckRequest& r) { SetMoney(r, "EUR", 999'999, 990'000'000); }, "", ""},
        Case{"TooLarge", [](CheckRequest& r) { SetMoney(r, "EUR", 1'000'000, 0); }, "item.price",
             "AMOUNT_OUT_OF_RANGE"},
        Case{"TooSmall", [](CheckRequest& r) { SetMoney(r, "EUR", -1'000'000, 0); }, "item.price",
             "AMOUNT_OUT_OF_RANGE"},
        Case{"OutputOnlyIsIgnored",
             [](CheckRequest& r) { r.mutable_item()->mutable_total()->set_units(1LL << 60); }, "",
             ""}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Times, ValidateOneField,
    ::testing::Values(
        Case{"First", [](CheckRequest& r) { SetTime(r, -62'135'596'800, 0); }, "", ""},
        Case{"BeforeFirst", [](CheckRequest& r) { SetTime(r, -62'135'596'801, 0); }, "item.sold_at",
             "TIME_OUT_OF_RANGE"},
        Case{"Last", [](CheckRequest& r) { SetTime(r, 253'402'300'799, 999'999'999); }, "", ""},
        Case{"AfterLast", [](CheckRequest& r) { SetTime(r, 253'402'300'800, 0); }, "item.sold_at",
             "TIME_OUT_OF_RANGE"},
        Case{"Day",
             [](CheckRequest& r) {
               auto* day = r.mutable_item()->mutable_day();
               day->set_year(2023);
               day->set_month(2);
               day->set_day(29);
             },
             "item.day", "DAY_MALFORMED"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Required, ValidateOneField,
    ::testing::Values(
        Case{"Message", [](CheckRequest& r) { r.clear_item(); }, "item", "FIELD_REQUIRED"},
        Case{"Text", [](CheckRequest& r) { r.mutable_item()->clear_name(); }, "item.name",
             "FIELD_REQUIRED"},
        Case{"Enum", [](CheckRequest& r) { r.mutable_item()->clear_color(); }, "item.color",
             "FIELD_REQUIRED"},
        Case{"NumberWithPresence", [](CheckRequest& r) { r.mutable_item()->clear_quantity(); },
             "item.quantity", "FIELD_REQUIRED"},
        Case{"PageSizeNegative", [](CheckRequest& r) { r.set_page_size(-1); }, "page_size",
             "PAGE_SIZE_NEGATIVE"},
        Case{"PageSizeZero", [](CheckRequest& r) { r.set_page_size(0); }, "", ""}),
    [](const auto& test) { return test.param.name; });

TEST(ValidateRequest, ReportsEveryBadFieldAtOnce) {
  CheckRequest request = Good();
  request.set_page_size(-1);
  request.mutable_item()->clear_name();
  SetMoney(request, "EUR", 1, 1);

  const absl::Status status = ValidateRequest(request);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_INVALID")));
  EXPECT_THAT(BadPaths(status), ElementsAre("item.name", "item.price.nanos", "page_size"));
}

TEST(ValidateRequest, LetsAPartialUpdateLeaveOutWhatIsRequired) {
  UpdateItemRequest request;
  request.mutable_item()->mutable_price()->set_currency_code("EUR");
  request.mutable_update_mask()->add_paths("price");
  EXPECT_THAT(ValidateRequest(request), IsOk());

  request.mutable_item()->mutable_price()->set_currency_code("");
  EXPECT_THAT(BadPaths(ValidateRequest(request)), ElementsAre("item.price.currency_code"));

  request.clear_item();
  EXPECT_THAT(BadPaths(ValidateRequest(request)), ElementsAre("item"));
}

TEST(ValidateRequest, ListsAtMostAHundredFieldsAndCountsTheRest) {
  CheckRequest request = Good();
  for (int i = 0; i < 250; ++i) request.add_tags(kNul);

  const absl::Status status = ValidateRequest(request);

  EXPECT_THAT(FieldsOf(status), SizeIs(100));
  EXPECT_THAT(MessageOf(status), ::testing::HasSubstr("249 more"));
}

}  // namespace
}  // namespace lockstep::rpc
