// Expenses as messages of lockstep.finance.v1 and back.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "lockstep/finance/v1/expense_service.pb.h"
#include "services/finance/expense.h"

namespace lockstep::finance {

namespace pb = ::lockstep::finance::v1;

[[nodiscard]] pb::Expense ToProto(const Expense& expense);

[[nodiscard]] absl::StatusOr<ExpenseId> ExpenseIdFromName(std::string_view name,
                                                          std::string_view field);

// What CreateExpense asks for, without id and creation time. Checks the shape of the fields only:
// see CheckExpense. An expense without a day gets `today`.
[[nodiscard]] absl::StatusOr<Expense> DraftFromProto(const pb::Expense& message,
                                                     absl::CivilDay today);

// The changes that the mask names, or without a mask the fields that are set. A day that is cleared
// becomes `today`. Errors: INVALID_ARGUMENT: FIELD_PATH_UNKNOWN on "update_mask", FIELD_REQUIRED on
// what cannot be cleared, malformed values.
[[nodiscard]] absl::StatusOr<ExpensePatch> PatchFromProto(const pb::UpdateExpenseRequest& request,
                                                          absl::CivilDay today);

}  // namespace lockstep::finance
