#include "services/finance/expense_proto.h"

#include <array>
#include <set>
#include <string>
#include <vector>

#include "common/ids/resource_name.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"

namespace lockstep::finance {
namespace {

constexpr std::array<const char*, 7> kMutablePaths = {
    "description", "amount", "expense_date", "category", "is_business_expense", "order", "notes"};

absl::StatusOr<ExpenseCategory> CategoryFromProto(pb::ExpenseCategory category) {
  if (category == pb::EXPENSE_CATEGORY_UNSPECIFIED) return ExpenseCategory::kOther;
  const int value = static_cast<int>(category) - 1;
  if (value < 0 || value >= kExpenseCategoryCount) {
    return InvalidField("expense.category", "ENUM_VALUE_UNKNOWN",
                        "must be one of the values of ExpenseCategory");
  }
  return static_cast<ExpenseCategory>(value);
}

absl::StatusOr<absl::CivilDay> DayFromProto(const pb::Expense& message, absl::CivilDay today) {
  if (!message.has_expense_date()) return today;
  return time::FromProto(message.expense_date(), "expense.expense_date");
}

absl::StatusOr<std::optional<OrderId>> OrderFromProto(const std::string& name) {
  if (name.empty()) return std::optional<OrderId>();
  ASSIGN_OR_RETURN(OrderId id, ids::IdFromName<OrderId>(name, "orders", "expense.order"));
  return std::optional<OrderId>(id);
}

// Who still writes the old link would lose it silently.
absl::Status TransactionIsReadOnly(std::string_view field) {
  return InvalidField(
      field, "TRANSACTION_READ_ONLY",
      "is only for reading since v2.2.3; set order to the order that the sale became");
}

std::optional<std::string> NotesFromProto(const std::string& notes) {
  if (notes.empty()) return std::nullopt;
  return notes;
}

// The paths that an update touches.
absl::StatusOr<std::set<std::string>> UpdatePaths(const pb::UpdateExpenseRequest& request) {
  const std::set<std::string> allowed(kMutablePaths.begin(), kMutablePaths.end());
  std::set<std::string> paths;
  if (request.update_mask().paths().empty()) {
    std::vector<const google::protobuf::FieldDescriptor*> set;
    request.expense().GetReflection()->ListFields(request.expense(), &set);
    for (const auto* field : set) {
      if (allowed.contains(field->name())) paths.insert(field->name());
    }
    return paths;
  }
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "*") {
      paths.insert(allowed.begin(), allowed.end());
    } else if (path == "transaction") {
      return TransactionIsReadOnly("update_mask");
    } else if (pb::Expense::descriptor()->FindFieldByName(path) == nullptr) {
      return InvalidField("update_mask", "FIELD_PATH_UNKNOWN", path + " is no field of an expense");
    } else if (allowed.contains(path)) {
      paths.insert(path);
    }
  }
  return paths;
}

}  // namespace

pb::Expense ToProto(const Expense& expense) {
  pb::Expense message;
  message.set_name(ids::ResourceName("expenses", expense.id));
  message.set_description(expense.description);
  *message.mutable_amount() = money::ToProto(expense.amount);
  *message.mutable_expense_date() = time::ToProto(expense.expense_date);
  // The contract's values follow the enum, after UNSPECIFIED.
  message.set_category(static_cast<pb::ExpenseCategory>(static_cast<int>(expense.category) + 1));
  message.set_is_business_expense(expense.is_business_expense);
  if (expense.order.has_value()) message.set_order(ids::ResourceName("orders", *expense.order));
  if (expense.transaction.has_value()) {
    message.set_transaction(ids::ResourceName("transactions", *expense.transaction));
  }
  message.set_notes(expense.notes.value_or(""));
  *message.mutable_created_at() = time::ToProto(expense.created_at);
  message.set_etag(EtagOf(expense));
  return message;
}

absl::StatusOr<ExpenseId> ExpenseIdFromName(std::string_view name, std::string_view field) {
  return ids::IdFromName<ExpenseId>(name, "expenses", field);
}

absl::StatusOr<Expense> DraftFromProto(const pb::Expense& message, absl::CivilDay today) {
  Expense expense;
  expense.description = message.description();
  ASSIGN_OR_RETURN(expense.amount, money::FromProto(message.amount(), "expense.amount"));
  ASSIGN_OR_RETURN(expense.expense_date, DayFromProto(message, today));
  ASSIGN_OR_RETURN(expense.category, CategoryFromProto(message.category()));
  expense.is_business_expense =
      message.has_is_business_expense() ? message.is_business_expense() : true;
  if (!message.transaction().empty()) return TransactionIsReadOnly("expense.transaction");
  ASSIGN_OR_RETURN(expense.order, OrderFromProto(message.order()));
  expense.notes = NotesFromProto(message.notes());
  return expense;
}

absl::StatusOr<ExpensePatch> PatchFromProto(const pb::UpdateExpenseRequest& request,
                                            absl::CivilDay today) {
  ASSIGN_OR_RETURN(const std::set<std::string> paths, UpdatePaths(request));
  const pb::Expense& message = request.expense();
  ExpensePatch patch;
  if (paths.contains("description")) patch.description = message.description();
  if (paths.contains("amount")) {
    if (!message.has_amount()) {
      return InvalidField("expense.amount", "FIELD_REQUIRED", "cannot be cleared");
    }
    ASSIGN_OR_RETURN(patch.amount, money::FromProto(message.amount(), "expense.amount"));
  }
  if (paths.contains("expense_date")) {
    ASSIGN_OR_RETURN(patch.expense_date, DayFromProto(message, today));
  }
  if (paths.contains("category")) {
    ASSIGN_OR_RETURN(patch.category, CategoryFromProto(message.category()));
  }
  if (paths.contains("is_business_expense")) {
    patch.is_business_expense =
        message.has_is_business_expense() ? message.is_business_expense() : true;
  }
  if (paths.contains("order")) {
    ASSIGN_OR_RETURN(patch.order, OrderFromProto(message.order()));
  }
  if (paths.contains("notes")) patch.notes = NotesFromProto(message.notes());
  return patch;
}

}  // namespace lockstep::finance
