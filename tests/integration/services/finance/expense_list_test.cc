// ExpenseService.ListExpenses over a real database.
#include <set>

#include "tests/integration/services/finance/expense_fixture.h"

namespace lockstep::finance {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using ExpenseListTest = ExpenseServiceTest;

TEST_F(ExpenseListTest, FiltersByEveryField) {
  const std::string order = NewOrder();
  const std::string sale = NewLegacySaleOf(order);
  Made("Tools", 2900, "2024-03-31", ", \"category\": \"EXPENSE_CATEGORY_SUBSCRIPTION\"");
  Made("Cartons", 3400, "2024-04-01", ", \"category\": \"EXPENSE_CATEGORY_PACKAGING\"");
  Made("Label", 519, "2024-04-30",
       ", \"category\": \"EXPENSE_CATEGORY_SHIPPING\", \"order\": \"orders/" + order + "\"");
  Made("Lunch", 1200, "2024-05-01", ", \"isBusinessExpense\": false");
  ASSERT_OK(
      Create("\"description\": \"Hotel\", \"amount\": {\"currencyCode\": \"USD\", \"units\":"
             " 88}, \"expenseDate\": {\"year\": 2024, \"month\": 6, \"day\": 1}"));

  EXPECT_THAT(Found(""), ElementsAre("Hotel", "Lunch", "Label", "Cartons", "Tools"));
  EXPECT_THAT(Found("expense_date >= 2024-04-01 AND expense_date < 2024-05-01"),
              ElementsAre("Label", "Cartons"));
  EXPECT_THAT(Found("category = shipping OR category = EXPENSE_CATEGORY_PACKAGING"),
              ElementsAre("Label", "Cartons"));
  EXPECT_THAT(Found("order:*"), ElementsAre("Label"));
  EXPECT_THAT(Found("order = orders/" + order), ElementsAre("Label"));
  EXPECT_THAT(Found("order = \"" + order + "\""), ElementsAre("Label"));
  EXPECT_THAT(Found("transaction:*"), ElementsAre("Label"));
  EXPECT_THAT(Found("NOT transaction:* AND amount < 30"), ElementsAre("Lunch", "Tools"));
  EXPECT_THAT(Found("transaction = transactions/" + sale), ElementsAre("Label"));
  EXPECT_THAT(Found("transaction = \"" + sale + "\""), ElementsAre("Label"));
  EXPECT_THAT(Found("is_business_expense = false"), ElementsAre("Lunch"));
  EXPECT_THAT(Found("currency_code = USD"), ElementsAre("Hotel"));
  EXPECT_THAT(Found("description = Hotel"), ElementsAre("Hotel"));
  EXPECT_THAT(Found("created_at < 2020-01-01"), IsEmpty());
  EXPECT_THAT(Found("", "amount"), ElementsAre("Label", "Lunch", "Tools", "Cartons", "Hotel"));
  EXPECT_THAT(Found("", "created_at desc"),
              ElementsAre("Hotel", "Lunch", "Label", "Cartons", "Tools"));
}

TEST_F(ExpenseListTest, RefusesBadLists) {
  const auto invalid = [](const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasField(field));
  };
  EXPECT_THAT(List("colour = red"), invalid("filter"));
  EXPECT_THAT(List("category = bribes"), invalid("filter"));
  EXPECT_THAT(List("expense_date = yesterday"), invalid("filter"));
  EXPECT_THAT(List("expense_date ="), invalid("filter"));
  EXPECT_THAT(List(std::string("description = \"a\0b\"", 19)), invalid("filter"));
  EXPECT_THAT(List("", "colour"), invalid("order_by"));
  EXPECT_THAT(List("", "", -1), invalid("page_size"));
  EXPECT_THAT(List("", "", 0, "token"), invalid("page_token"));
}

TEST_F(ExpenseListTest, PagesShowEveryRowOnceAlsoWhenDaysAreEqual) {
  database_.Execute(
      "INSERT INTO finance.expenses (description, amount, expense_date)"
      " SELECT 'e' || i, 1 + i % 7, date '2025-01-01' + i % 5 FROM generate_series(1, 137) i");

  for (const char* order : {"", "expense_date", "amount desc, expense_date", "created_at"}) {
    std::set<std::string> seen;
    std::string token;
    int pages = 0;
    do {
      ASSERT_OK_AND_ASSIGN(pb::ListExpensesResponse page, List("", order, 10, token));
      for (const pb::Expense& expense : page.expenses()) {
        EXPECT_TRUE(seen.insert(expense.name()).second) << expense.description();
      }
      token = page.next_page_token();
      ++pages;
    } while (!token.empty());
    EXPECT_EQ(seen.size(), 137U) << order;
    EXPECT_EQ(pages, 14) << order;
  }
}

TEST_F(ExpenseListTest, PageTokensBelongToTheirQuery) {
  database_.Execute(
      "INSERT INTO finance.expenses (description, amount) SELECT 'e', 1 FROM generate_series(1, "
      "3)");
  ASSERT_OK_AND_ASSIGN(pb::ListExpensesResponse page, List("", "", 1));
  ASSERT_NE(page.next_page_token(), "");

  EXPECT_OK(List("", "", 2, page.next_page_token()));
  EXPECT_THAT(List("amount > 0", "", 1, page.next_page_token()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("page_token")));
  EXPECT_THAT(List("", "amount", 1, page.next_page_token()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("page_token")));
}

}  // namespace
}  // namespace lockstep::finance
