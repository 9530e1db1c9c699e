// Expenses: what the business spends beside the goods themselves. Values and rules, pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/ids/id.h"
#include "common/money/money.h"

namespace lockstep::finance {

using money::Currency;
using money::Money;

struct ExpenseTag;
using ExpenseId = ids::Id<ExpenseTag>;
struct OrderTag;
using OrderId = ids::Id<OrderTag>;
// A sale of the legacy table, which v2.2.3 dropped.
struct LegacyTransactionTag;
using LegacyTransactionId = ids::Id<LegacyTransactionTag>;

// In the order of the contract's enum, which has UNSPECIFIED in front.
enum class ExpenseCategory {
  kShipping,
  kPackaging,
  kPlatformFees,
  kSubscription,
  kTravel,
  kTax,
  kRefund,
  kOther,
};
inline constexpr int kExpenseCategoryCount = 8;

// "platform_fees": what the column and filters hold.
[[nodiscard]] std::string_view ToText(ExpenseCategory category);
// INTERNAL (INVARIANT_BROKEN) for a text that is no category: it can only come from the database.
[[nodiscard]] absl::StatusOr<ExpenseCategory> ExpenseCategoryFromText(std::string_view text);
[[nodiscard]] std::vector<std::string> ExpenseCategoryTexts();

struct Expense {
  ExpenseId id;
  std::string description;
  Money amount{money::kEur, 0};  // with VAT as paid
  absl::CivilDay expense_date;
  ExpenseCategory category = ExpenseCategory::kOther;
  bool is_business_expense = true;
  std::optional<OrderId> order = {};
  std::optional<LegacyTransactionId> transaction = {};  // of the order, as read
  std::optional<std::string> notes = {};
  absl::Time created_at = {};
};

// Changes to an expense: each set member replaces the value, nullopt inside clears it.
struct ExpensePatch {
  std::optional<std::string> description = {};
  std::optional<Money> amount = {};
  std::optional<absl::CivilDay> expense_date = {};
  std::optional<ExpenseCategory> category = {};
  std::optional<bool> is_business_expense = {};
  std::optional<std::optional<OrderId>> order = {};
  std::optional<std::optional<std::string>> notes = {};
};

// OK when `expense` may be stored on the day `today` (UTC). Else INVALID_ARGUMENT naming every bad
// field, with the reason of the first: DESCRIPTION_EMPTY, TEXT_TOO_LONG, AMOUNT_NOT_POSITIVE,
// AMOUNT_OUT_OF_RANGE, AMOUNT_TOO_FINE, EXPENSE_DATE_IN_FUTURE. Whether the linked order exists is
// for the database to say.
[[nodiscard]] absl::Status CheckExpense(const Expense& expense, absl::CivilDay today);

// `expense` with the changes of `patch`. Errors: those of CheckExpense; a date that stays is not
// held against today.
[[nodiscard]] absl::StatusOr<Expense> WithPatch(Expense expense, const ExpensePatch& patch,
                                                absl::CivilDay today);

// A digest of the content: the table has no time of the last change.
[[nodiscard]] std::string EtagOf(const Expense& expense);
// OK for an empty `etag` or the expense's own; else ABORTED (ETAG_MISMATCH).
[[nodiscard]] absl::Status CheckEtag(const Expense& expense, std::string_view etag);

}  // namespace lockstep::finance
