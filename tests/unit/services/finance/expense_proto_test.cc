#include "services/finance/expense_proto.h"

#include <cctype>

#include "common/status/testing.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr absl::CivilDay kToday(2025, 10, 1);
constexpr char kOrder[] = "7f3c0000-0000-4000-8000-00000000000a";

template <typename Message>
Message Parse(const std::string& json) {
  Message message;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &message).ok()) << json;
  return message;
}

TEST(ExpenseProto, CategoriesFollowTheContract) {
  for (int i = 0; i < kExpenseCategoryCount; ++i) {
    Expense expense;
    expense.category = static_cast<ExpenseCategory>(i);
    std::string name = pb::ExpenseCategory_Name(ToProto(expense).category());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(name, "expense_category_" + std::string(ToText(expense.category)));
  }
}

TEST(ExpenseProto, DraftHasTheDefaults) {
  ASSERT_OK_AND_ASSIGN(Expense draft,
                       DraftFromProto(Parse<pb::Expense>(R"({"description": "Tape", "amount":
                                            {"currencyCode": "EUR", "units": "3"}})"),
                                      kToday));

  EXPECT_EQ(draft.expense_date, kToday);
  EXPECT_EQ(draft.category, ExpenseCategory::kOther);
  EXPECT_TRUE(draft.is_business_expense);
  EXPECT_EQ(draft.order, std::nullopt);
  EXPECT_EQ(draft.notes, std::nullopt);
}

TEST(ExpenseProto, SurvivesTheWayThereAndBack) {
  Expense expense;
  expense.id = ExpenseId::Generate();
  expense.description = "Label";
  expense.amount = Money(money::kUsd, 1999);
  expense.expense_date = absl::CivilDay(2024, 2, 29);
  expense.category = ExpenseCategory::kShipping;
  expense.is_business_expense = false;
  expense.order = *OrderId::Parse(kOrder);
  expense.notes = "parcel";

  const pb::Expense message = ToProto(expense);
  ASSERT_OK_AND_ASSIGN(Expense back, DraftFromProto(message, kToday));
  ASSERT_OK_AND_ASSIGN(back.id, ExpenseIdFromName(message.name(), "name"));

  EXPECT_EQ(EtagOf(back), EtagOf(expense));
  EXPECT_EQ(message.etag(), EtagOf(expense));
  EXPECT_EQ(message.order(), std::string("orders/") + kOrder);
}

TEST(ExpenseProto, NamesTheMalformedField) {
  EXPECT_THAT(DraftFromProto(Parse<pb::Expense>(R"({"amount": {"currencyCode": "EUR", "units": "1"},
                                            "order": "orders/1"})"),
                             kToday),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("expense.order")));
  EXPECT_THAT(DraftFromProto(Parse<pb::Expense>(R"({"amount": {"currencyCode": "EUR", "units": "1"},
                                            "category": 99})"),
                             kToday),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("expense.category")));
}

TEST(ExpensePatch, EmptyMaskMeansTheFieldsThatAreSet) {
  ASSERT_OK_AND_ASSIGN(
      ExpensePatch patch,
      PatchFromProto(Parse<pb::UpdateExpenseRequest>(
                         R"({"expense": {"name": "x", "notes": "n", "isBusinessExpense": false}})"),
                     kToday));

  EXPECT_EQ(patch.notes, std::optional<std::string>("n"));
  EXPECT_EQ(patch.is_business_expense, false);
  EXPECT_FALSE(patch.description.has_value());
  EXPECT_FALSE(patch.amount.has_value());
  EXPECT_FALSE(patch.expense_date.has_value());
  EXPECT_FALSE(patch.category.has_value());
  EXPECT_FALSE(patch.order.has_value());
}

TEST(ExpensePatch, MaskClearsWhatIsNotSet) {
  ASSERT_OK_AND_ASSIGN(ExpensePatch patch, PatchFromProto(Parse<pb::UpdateExpenseRequest>(
                                                              R"({"expense": {}, "updateMask":
                             "expenseDate,category,isBusinessExpense,order,notes"})"),
                                                          kToday));

  EXPECT_EQ(patch.expense_date, kToday);
  EXPECT_EQ(patch.category, ExpenseCategory::kOther);
  EXPECT_EQ(patch.is_business_expense, true);
  ASSERT_TRUE(patch.order.has_value());
  EXPECT_EQ(*patch.order, std::nullopt);
  ASSERT_TRUE(patch.notes.has_value());
  EXPECT_EQ(*patch.notes, std::nullopt);
}

TEST(ExpensePatch, IgnoresOutputOnlyAndRefusesUnknownPathsAndAMissingAmount) {
  ASSERT_OK_AND_ASSIGN(ExpensePatch patch,
                       PatchFromProto(Parse<pb::UpdateExpenseRequest>(
                                          R"({"expense": {"notes": "n"}, "updateMask": "etag"})"),
                                      kToday));
  EXPECT_FALSE(patch.notes.has_value());
  EXPECT_THAT(
      PatchFromProto(Parse<pb::UpdateExpenseRequest>(R"({"expense": {}, "updateMask": "colour"})"),
                     kToday),
      StatusIs(absl::StatusCode::kInvalidArgument, Reason("FIELD_PATH_UNKNOWN")));
  EXPECT_THAT(
      PatchFromProto(Parse<pb::UpdateExpenseRequest>(R"({"expense": {}, "updateMask": "amount"})"),
                     kToday),
      StatusIs(absl::StatusCode::kInvalidArgument, HasField("expense.amount")));
}

}  // namespace
}  // namespace lockstep::finance
