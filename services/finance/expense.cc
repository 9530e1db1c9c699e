#include "services/finance/expense.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/money/limits.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"
#include "openssl/sha.h"

namespace lockstep::finance {
namespace {

constexpr std::array<std::string_view, kExpenseCategoryCount> kCategoryTexts = {
    "shipping", "packaging", "platform_fees", "subscription", "travel", "tax", "refund", "other"};

constexpr std::ptrdiff_t kLongestDescription = 1000;
constexpr std::ptrdiff_t kLongestNotes = 10'000;
constexpr std::size_t kEtagBytes = 12;

// Characters of UTF-8 text: every byte that does not continue one.
std::ptrdiff_t CharacterCount(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

struct Finding {
  std::string reason;
  FieldViolation violation;
};

void AddFindings(const absl::Status& status, std::vector<Finding>& findings) {
  for (FieldViolation& violation : FieldsOf(status)) {
    findings.push_back({ReasonOf(status), std::move(violation)});
  }
}

absl::Status ToStatus(const std::vector<Finding>& findings) {
  if (findings.empty()) return absl::OkStatus();
  const Finding& first = findings.front();
  ErrorBuilder error = Error(absl::StatusCode::kInvalidArgument, first.reason,
                             first.violation.field + ": " + first.violation.description);
  for (const Finding& finding : findings) {
    error.Field(finding.violation.field, finding.violation.description);
  }
  return error;
}

// Every part with its length, so that no two contents give the same text.
void Append(std::string_view part, std::string& text) {
  text += std::to_string(part.size());
  text += ':';
  text += part;
}

}  // namespace

std::string_view ToText(ExpenseCategory category) {
  return kCategoryTexts[static_cast<std::size_t>(category)];
}

absl::StatusOr<ExpenseCategory> ExpenseCategoryFromText(std::string_view text) {
  const auto* const found = std::find(kCategoryTexts.begin(), kCategoryTexts.end(), text);
  if (found == kCategoryTexts.end()) {
    return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                 "a stored expense has an unknown category")
        .With("category", text);
  }
  return static_cast<ExpenseCategory>(found - kCategoryTexts.begin());
}

std::vector<std::string> ExpenseCategoryTexts() {
  return {kCategoryTexts.begin(), kCategoryTexts.end()};
}

absl::Status CheckExpense(const Expense& expense, absl::CivilDay today) {
  std::vector<Finding> findings;
  if (IsBlank(expense.description)) {
    findings.push_back({"DESCRIPTION_EMPTY",
                        {"expense.description", "must say what it was, not only white space"}});
  } else if (CharacterCount(expense.description) > kLongestDescription) {
    findings.push_back({"TEXT_TOO_LONG", {"expense.description", "at most 1,000 characters"}});
  }
  if (expense.amount.minor() <= 0) {
    findings.push_back({"AMOUNT_NOT_POSITIVE", {"expense.amount", "must be more than zero"}});
  } else {
    AddFindings(money::CheckAmount(expense.amount, "expense.amount"), findings);
  }
  if (expense.expense_date > today) {
    findings.push_back(
        {"EXPENSE_DATE_IN_FUTURE",
         {"expense.expense_date", "must not be after today (UTC), " + time::FormatDay(today)}});
  }
  if (expense.notes.has_value() && CharacterCount(*expense.notes) > kLongestNotes) {
    findings.push_back({"TEXT_TOO_LONG", {"expense.notes", "at most 10,000 characters"}});
  }
  return ToStatus(findings);
}

absl::StatusOr<Expense> WithPatch(Expense expense, const ExpensePatch& patch,
                                  absl::CivilDay today) {
  if (!patch.expense_date.has_value()) today = std::max(today, expense.expense_date);
  const auto apply = [](const auto& change, auto& value) {
    if (change.has_value()) value = *change;
  };
  apply(patch.description, expense.description);
  apply(patch.amount, expense.amount);
  apply(patch.expense_date, expense.expense_date);
  apply(patch.category, expense.category);
  apply(patch.is_business_expense, expense.is_business_expense);
  apply(patch.order, expense.order);
  apply(patch.notes, expense.notes);
  RETURN_IF_ERROR(CheckExpense(expense, today));
  return expense;
}

std::string EtagOf(const Expense& expense) {
  std::string content;
  Append(expense.id.text(), content);
  Append(expense.description, content);
  Append(expense.amount.currency().code(), content);
  Append(expense.amount.ToDecimalText(), content);
  Append(time::FormatDay(expense.expense_date), content);
  Append(ToText(expense.category), content);
  Append(expense.is_business_expense ? "business" : "private", content);
  Append(expense.order.has_value() ? expense.order->text() : "", content);
  // Notes may be empty or missing: only what is there counts, with its own length.
  if (expense.notes.has_value()) Append(*expense.notes, content);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest.data());
  const std::string bytes(digest.begin(), digest.begin() + kEtagBytes);
  return '"' + absl::BytesToHexString(bytes) + '"';
}

absl::Status CheckEtag(const Expense& expense, std::string_view etag) {
  if (etag.empty() || etag == EtagOf(expense)) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "ETAG_MISMATCH",
               "the expense has changed since it was read; read it again and redo the change")
      .With("expense", expense.id.text());
}

}  // namespace lockstep::finance
