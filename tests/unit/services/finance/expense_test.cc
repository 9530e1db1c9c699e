#include "services/finance/expense.h"

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOk;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr absl::CivilDay kToday(2025, 10, 1);

Expense Cartons() {
  Expense expense;
  expense.id = *ExpenseId::Parse("7f3c0000-0000-4000-8000-000000000001");
  expense.description = "Cartons";
  expense.amount = Money(money::kEur, 1250);
  expense.expense_date = absl::CivilDay(2025, 9, 30);
  expense.category = ExpenseCategory::kPackaging;
  return expense;
}

template <typename Change>
Expense CartonsWith(Change change) {
  Expense expense = Cartons();
  change(expense);
  return expense;
}

TEST(ExpenseCategory, TextsAreTheOnesOfTheColumn) {
  for (int i = 0; i < kExpenseCategoryCount; ++i) {
    const auto category = static_cast<ExpenseCategory>(i);
    EXPECT_THAT(ExpenseCategoryFromText(ToText(category)),
                lockstep::testing::IsOkAndHolds(category));
  }
  EXPECT_EQ(ToText(ExpenseCategory::kPlatformFees), "platform_fees");
  EXPECT_THAT(ExpenseCategoryFromText("bribes"),
              StatusIs(absl::StatusCode::kInternal, Reason("INVARIANT_BROKEN")));
}

struct CheckCase {
  const char* name;
  Expense expense;
  const char* reason;  // nullptr: accepted
  const char* field;
};

class CheckExpenseTable : public ::testing::TestWithParam<CheckCase> {};

TEST_P(CheckExpenseTable, HoldsEachRule) {
  const absl::Status status = CheckExpense(GetParam().expense, kToday);

  if (GetParam().reason == nullptr) {
    EXPECT_THAT(status, IsOk());
  } else {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, Reason(GetParam().reason)));
    EXPECT_THAT(status, HasField(GetParam().field));
  }
}

std::string Repeat(const char* text, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += text;
  return repeated;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, CheckExpenseTable,
    ::testing::Values(
        CheckCase{"Usual", Cartons(), nullptr, nullptr},
        CheckCase{"SmallestAmount",
                  CartonsWith([](Expense& e) { e.amount = Money(money::kEur, 1); }), nullptr,
                  nullptr},
        CheckCase{"LargestAmount",
                  CartonsWith([](Expense& e) { e.amount = Money(money::kEur, 99'999'999); }),
                  nullptr, nullptr},
        CheckCase{"OtherCurrency",
                  CartonsWith([](Expense& e) { e.amount = Money(money::kJpy, 1500); }), nullptr,
                  nullptr},
        CheckCase{"Today", CartonsWith([](Expense& e) { e.expense_date = kToday; }), nullptr,
                  nullptr},
        // Characters count, not bytes.
        CheckCase{"LongestDescription",
                  CartonsWith([](Expense& e) { e.description = Repeat("\u00e4", 1000); }), nullptr,
                  nullptr},
        CheckCase{"NoDescription", CartonsWith([](Expense& e) { e.description = ""; }),
                  "DESCRIPTION_EMPTY", "expense.description"},
        CheckCase{"BlankDescription", CartonsWith([](Expense& e) { e.description = " \t\n"; }),
                  "DESCRIPTION_EMPTY", "expense.description"},
        CheckCase{"DescriptionTooLong",
                  CartonsWith([](Expense& e) { e.description = Repeat("\u00e4", 1001); }),
                  "TEXT_TOO_LONG", "expense.description"},
        CheckCase{"NotesTooLong",
                  CartonsWith([](Expense& e) { e.notes = std::string(10'001, 'n'); }),
                  "TEXT_TOO_LONG", "expense.notes"},
        CheckCase{"ZeroAmount", CartonsWith([](Expense& e) { e.amount = Money(money::kEur, 0); }),
                  "AMOUNT_NOT_POSITIVE", "expense.amount"},
        CheckCase{"NegativeAmount",
                  CartonsWith([](Expense& e) { e.amount = Money(money::kEur, -1); }),
                  "AMOUNT_NOT_POSITIVE", "expense.amount"},
        CheckCase{"AmountTooLarge",
                  CartonsWith([](Expense& e) { e.amount = Money(money::kEur, 100'000'000); }),
                  "AMOUNT_OUT_OF_RANGE", "expense.amount"},
        CheckCase{"Tomorrow",
                  CartonsWith([](Expense& e) { e.expense_date = absl::CivilDay(2025, 10, 2); }),
                  "EXPENSE_DATE_IN_FUTURE", "expense.expense_date"}),
    [](const auto& test) { return test.param.name; });

TEST(CheckExpense, NamesEveryBadField) {
  Expense expense = Cartons();
  expense.description = "";
  expense.amount = Money(money::kEur, 0);
  expense.expense_date = absl::CivilDay(2026, 1, 1);

  const absl::Status status = CheckExpense(expense, kToday);

  EXPECT_EQ(FieldsOf(status).size(), 3U);
  EXPECT_THAT(status, HasField("expense.description"));
  EXPECT_THAT(status, HasField("expense.amount"));
  EXPECT_THAT(status, HasField("expense.expense_date"));
}

TEST(WithPatch, ChangesWhatIsSetAndClearsWhatIsNull) {
  Expense expense = Cartons();
  expense.notes = "two rolls";
  expense.order = OrderId::Generate();
  ExpensePatch patch;
  patch.amount = Money(money::kUsd, 300);
  patch.notes = std::optional<std::string>();
  patch.is_business_expense = false;

  ASSERT_OK_AND_ASSIGN(Expense changed, WithPatch(expense, patch, kToday));

  EXPECT_EQ(changed.amount, Money(money::kUsd, 300));
  EXPECT_EQ(changed.notes, std::nullopt);
  EXPECT_FALSE(changed.is_business_expense);
  EXPECT_EQ(changed.order, expense.order);
  EXPECT_EQ(changed.description, "Cartons");
}

TEST(WithPatch, HoldsADateAgainstTodayOnlyWhenItChanges) {
  Expense expense = Cartons();
  expense.expense_date = absl::CivilDay(2025, 12, 24);  // loaded by other means
  ExpensePatch patch;
  patch.description = "Cartons for Christmas";

  EXPECT_THAT(WithPatch(expense, patch, kToday), IsOk());
  patch.expense_date = expense.expense_date;
  EXPECT_THAT(WithPatch(expense, patch, kToday),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("EXPENSE_DATE_IN_FUTURE")));
}

TEST(ExpenseEtag, FollowsEveryPartOfTheContent) {
  const std::string etag = EtagOf(Cartons());

  EXPECT_EQ(EtagOf(Cartons()), etag);
  const auto changed = [](auto change) { return EtagOf(CartonsWith(change)); };
  EXPECT_NE(changed([](Expense& e) { e.id = ExpenseId::Generate(); }), etag);
  EXPECT_NE(changed([](Expense& e) { e.description = "Carton"; }), etag);
  EXPECT_NE(changed([](Expense& e) { e.amount = Money(money::kUsd, 1250); }), etag);
  EXPECT_NE(changed([](Expense& e) { e.amount = Money(money::kEur, 1251); }), etag);
  EXPECT_NE(changed([](Expense& e) { e.expense_date = kToday; }), etag);
  EXPECT_NE(changed([](Expense& e) { e.category = ExpenseCategory::kOther; }), etag);
  EXPECT_NE(changed([](Expense& e) { e.is_business_expense = false; }), etag);
  EXPECT_NE(changed([](Expense& e) { e.order = OrderId::Generate(); }), etag);
  EXPECT_NE(changed([](Expense& e) { e.notes = ""; }), etag);
}

TEST(ExpenseEtag, IsCheckedOnlyWhenGiven) {
  EXPECT_THAT(CheckEtag(Cartons(), ""), IsOk());
  EXPECT_THAT(CheckEtag(Cartons(), EtagOf(Cartons())), IsOk());
  EXPECT_THAT(CheckEtag(Cartons(), "\"0\""),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
}

}  // namespace
}  // namespace lockstep::finance
