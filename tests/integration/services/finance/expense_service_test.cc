// ExpenseService over a real database.
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "tests/integration/services/finance/expense_fixture.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr char kRequestId[] = "5f0c1a52-0000-4000-8000-0000000000";  // and two digits

TEST_F(ExpenseServiceTest, CreatesAndReads) {
  const std::string order = NewOrder();
  const std::string sale = NewLegacySaleOf(order);
  ASSERT_OK_AND_ASSIGN(
      pb::Expense made,
      Create(Fields("Parcel label", 519, "2024-01-06") +
             ", \"category\": \"EXPENSE_CATEGORY_SHIPPING\", \"order\":"
             " \"orders/" +
             order + "\", \"isBusinessExpense\": false, \"notes\": \"second try\""));

  EXPECT_THAT(made.name(), ::testing::StartsWith("expenses/"));
  EXPECT_EQ(AmountText(made.has_amount(), made.amount()), "5.19");
  EXPECT_EQ(made.expense_date().day(), 6);
  EXPECT_EQ(made.category(), pb::EXPENSE_CATEGORY_SHIPPING);
  EXPECT_FALSE(made.is_business_expense());
  EXPECT_EQ(made.order(), "orders/" + order);
  EXPECT_EQ(made.transaction(), "transactions/" + sale);
  EXPECT_EQ(made.notes(), "second try");
  EXPECT_TRUE(made.has_created_at());
  ASSERT_OK_AND_ASSIGN(pb::Expense read, Get(made.name()));
  EXPECT_EQ(read.SerializeAsString(), made.SerializeAsString());
}

TEST_F(ExpenseServiceTest, FillsInTheDefaults) {
  ASSERT_OK_AND_ASSIGN(
      pb::Expense made,
      Create("\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"JPY\", \"units\": 900}"));

  EXPECT_EQ(made.expense_date().year(), 2025);
  EXPECT_EQ(made.expense_date().month(), 10);
  EXPECT_EQ(made.expense_date().day(), 1);
  EXPECT_EQ(made.category(), pb::EXPENSE_CATEGORY_OTHER);
  EXPECT_TRUE(made.is_business_expense());
  EXPECT_EQ(made.order(), "");
  EXPECT_EQ(made.transaction(), "");
  EXPECT_EQ(made.amount().currency_code(), "JPY");
  EXPECT_EQ(made.amount().units(), 900);
}

struct RefusedCase {
  const char* name;
  const char* fields;
  const char* field;
};

class RefusedExpense : public ExpenseServiceTest,
                       public ::testing::WithParamInterface<RefusedCase> {};

TEST_P(RefusedExpense, NamesTheField) {
  const auto made = Create(GetParam().fields);

  EXPECT_THAT(made, StatusIs(absl::StatusCode::kInvalidArgument, HasField(GetParam().field)));
  EXPECT_EQ(Rows(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedExpense,
    ::testing::Values(
        RefusedCase{"NoDescription", "\"amount\": {\"currencyCode\": \"EUR\", \"units\": 1}",
                    "expense.description"},
        RefusedCase{"NoAmount", "\"description\": \"Tape\"", "expense.amount"},
        RefusedCase{"ZeroAmount",
                    "\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"EUR\"}",
                    "expense.amount"},
        RefusedCase{"NegativeAmount",
                    "\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"EUR\","
                    " \"units\": -1}",
                    "expense.amount"},
        RefusedCase{"FineAmount",
                    "\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"EUR\","
                    " \"units\": 1, \"nanos\": 5000000}",
                    "expense.amount.nanos"},
        RefusedCase{"UnknownCurrency",
                    "\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"XXQ\","
                    " \"units\": 1}",
                    "expense.amount.currency_code"},
        RefusedCase{"Nul",
                    "\"description\": \"Ta\\u0000pe\", \"amount\": {\"currencyCode\": \"EUR\","
                    " \"units\": 1}",
                    "expense.description"},
        RefusedCase{"NulInNotes",
                    "\"description\": \"Tape\", \"notes\": \"\\u0000\", \"amount\":"
                    " {\"currencyCode\": \"EUR\", \"units\": 1}",
                    "expense.notes"},
        RefusedCase{"Tomorrow",
                    "\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"EUR\","
                    " \"units\": 1}, \"expenseDate\": {\"year\": 2025, \"month\": 10, \"day\": 2}",
                    "expense.expense_date"},
        RefusedCase{"NoDay",
                    "\"description\": \"Tape\", \"amount\": {\"currencyCode\": \"EUR\","
                    " \"units\": 1}, \"expenseDate\": {\"year\": 2025, \"month\": 2, \"day\": 30}",
                    "expense.expense_date"},
        RefusedCase{"UnknownCategory",
                    "\"description\": \"Tape\", \"category\": 42, \"amount\":"
                    " {\"currencyCode\": \"EUR\", \"units\": 1}",
                    "expense.category"},
        RefusedCase{"MalformedLink",
                    "\"description\": \"Tape\", \"transaction\": \"orders/1\", \"amount\":"
                    " {\"currencyCode\": \"EUR\", \"units\": 1}",
                    "expense.transaction"},
        RefusedCase{"LinkToNothing",
                    "\"description\": \"Tape\", \"transaction\":"
                    " \"transactions/7f3c0000-0000-4000-8000-000000000001\", \"amount\":"
                    " {\"currencyCode\": \"EUR\", \"units\": 1}",
                    "expense.transaction"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ExpenseServiceTest, TodayMovesOnWithTheClock) {
  const std::string fields = Fields("Tape", 300, "2025-10-02");
  EXPECT_THAT(Create(fields),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("EXPENSE_DATE_IN_FUTURE")));

  clock_.Advance(absl::Hours(9));

  EXPECT_OK(Create(fields));
}

TEST_F(ExpenseServiceTest, ReadsOnlyWhatExists) {
  EXPECT_THAT(Get("expenses/7f3c0000-0000-4000-8000-000000000001"),
              StatusIs(absl::StatusCode::kNotFound, Reason("EXPENSE_NOT_FOUND")));
  EXPECT_THAT(Get("expenses/1"), StatusIs(absl::StatusCode::kInvalidArgument, HasField("name")));
  EXPECT_THAT(Get(""), StatusIs(absl::StatusCode::kInvalidArgument, HasField("name")));
}

TEST_F(ExpenseServiceTest, UpdatesWhatTheMaskNames) {
  const std::string order = NewOrder();
  const std::string sale = NewLegacySaleOf(order);
  const pb::Expense made = Made("Cartons", 1250, "2025-09-01",
                                ", \"notes\": \"two\", \"order\": \"orders/" + order + "\"");

  ASSERT_OK_AND_ASSIGN(
      pb::Expense changed,
      Update(made.name(), R"({"expense": {"description": "Large cartons", "category":
                              "EXPENSE_CATEGORY_PACKAGING"},
                              "updateMask": "description,category,order"})",
             made.etag()));

  EXPECT_EQ(changed.description(), "Large cartons");
  EXPECT_EQ(changed.category(), pb::EXPENSE_CATEGORY_PACKAGING);
  EXPECT_EQ(made.transaction(), "transactions/" + sale);
  EXPECT_EQ(changed.order(), "");
  EXPECT_EQ(changed.transaction(), "");
  EXPECT_EQ(changed.notes(), "two");
  EXPECT_EQ(AmountText(changed.has_amount(), changed.amount()), "12.50");
  EXPECT_NE(changed.etag(), made.etag());
  ASSERT_OK_AND_ASSIGN(pb::Expense read, Get(made.name()));
  EXPECT_EQ(read.SerializeAsString(), changed.SerializeAsString());
}

TEST_F(ExpenseServiceTest, RefusesBadUpdates) {
  const pb::Expense made = Made("Cartons", 1250, "2025-09-01");

  EXPECT_THAT(Update(made.name(), R"({"expense": {"notes": "n"}})", "\"old\""),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  EXPECT_THAT(Update(made.name(), R"({"expense": {}, "updateMask": "description"})"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("DESCRIPTION_EMPTY")));
  EXPECT_THAT(Update(made.name(), R"({"expense": {}, "updateMask": "colour"})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("update_mask")));
  EXPECT_THAT(Update(made.name(), R"({"expense": {"order":
                              "orders/7f3c0000-0000-4000-8000-000000000001"}})"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("ORDER_UNKNOWN")));
  // The link of old clients is never dropped silently.
  EXPECT_THAT(Update(made.name(), R"({"expense": {}, "updateMask": "transaction"})"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("TRANSACTION_READ_ONLY")));
  EXPECT_THAT(Create(Fields("Label", 519, "2024-01-06") +
                     ", \"transaction\": \"transactions/7f3c0000-0000-4000-8000-000000000001\""),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("TRANSACTION_READ_ONLY")));
  EXPECT_THAT(Update(made.name(), R"({"expense": {"notes": "a\u0000b"}})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("expense.notes")));
  EXPECT_THAT(Update("expenses/7f3c0000-0000-4000-8000-000000000001", R"({"expense": {}})"),
              StatusIs(absl::StatusCode::kNotFound, Reason("EXPENSE_NOT_FOUND")));
  ASSERT_OK_AND_ASSIGN(pb::Expense read, Get(made.name()));
  EXPECT_EQ(read.etag(), made.etag());
}

TEST_F(ExpenseServiceTest, Deletes) {
  const pb::Expense made = Made("Cartons", 1250, "2025-09-01");

  EXPECT_THAT(Delete(made.name(), "\"old\""),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  EXPECT_OK(Delete(made.name(), made.etag()));
  EXPECT_THAT(Get(made.name()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Delete(made.name()),
              StatusIs(absl::StatusCode::kNotFound, Reason("EXPENSE_NOT_FOUND")));
}

TEST_F(ExpenseServiceTest, RequestIdsMakeRepeatsHarmless) {
  const std::string fields = Fields("Cartons", 1250, "2025-09-01");
  const std::string id = kRequestId;

  ASSERT_OK_AND_ASSIGN(pb::Expense first, Create(fields, id + "01"));
  ASSERT_OK_AND_ASSIGN(pb::Expense again, Create(fields, id + "01"));
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_THAT(Create(Fields("Cartons", 1251, "2025-09-01"), id + "01"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
  EXPECT_THAT(Create(fields, "one"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("request_id")));
  EXPECT_EQ(Rows(), 1);

  const std::string change = R"({"expense": {"notes": "n"}})";
  ASSERT_OK_AND_ASSIGN(pb::Expense changed, Update(first.name(), change, first.etag(), id + "02"));
  ASSERT_OK_AND_ASSIGN(pb::Expense same, Update(first.name(), change, first.etag(), id + "02"));
  EXPECT_EQ(same.etag(), changed.etag());

  EXPECT_OK(Delete(first.name(), "", id + "03"));
  EXPECT_OK(Delete(first.name(), "", id + "03"));
  EXPECT_THAT(Delete(first.name(), "", id + "04"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ExpenseServiceTest, ConcurrentDuplicatesHaveOneEffect) {
  std::atomic<int> failures = 0;
  std::vector<std::string> names(8);
  std::vector<std::thread> threads;
  for (std::string& name : names) {
    threads.emplace_back([&] {
      const auto made =
          Create(Fields("Cartons", 1250, "2025-09-01"), kRequestId + std::string("09"));
      if (!made.ok()) ++failures;
      if (made.ok()) name = made->name();
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(failures, 0);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1U);
  EXPECT_EQ(Rows(), 1);
}

}  // namespace
}  // namespace lockstep::finance
