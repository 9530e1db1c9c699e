#include "services/finance/expense_service.h"

#include <utility>

#include "common/paging/list_query.h"
#include "common/request_id/request_id.h"
#include "common/status/macros.h"
#include "common/time/time.h"
#include "services/finance/expense.h"
#include "services/finance/expense_proto.h"
#include "services/finance/expense_repository.h"
#include "services/finance/plumbing.h"

namespace lockstep::finance {

ExpenseService::ExpenseService(pg::Pool& pool, pg::Pool& read_pool, paging::PageSigner& signer,
                               const time::Clock& clock, rpc::Runner& runner)
    : pool_(pool), read_pool_(read_pool), signer_(signer), clock_(clock), runner_(runner) {}

absl::CivilDay ExpenseService::Today() const { return time::DayOf(clock_.Now()); }

grpc::ServerUnaryReactor* ExpenseService::CreateExpense(grpc::CallbackServerContext* context,
                                                        const pb::CreateExpenseRequest* request,
                                                        pb::Expense* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call,
                              const pb::CreateExpenseRequest& in) -> absl::StatusOr<pb::Expense> {
                         const absl::CivilDay today = Today();
                         ASSIGN_OR_RETURN(Expense draft, DraftFromProto(in.expense(), today));
                         RETURN_IF_ERROR(CheckExpense(draft, today));
                         draft.id = ExpenseId::Generate();
                         return pool_.Write(call.context(), [&](pg::Tx& tx) {
                           return request_id::With(
                               tx, kPlumbing.request_results, in, call.method(),
                               [&](pg::Tx& inner) -> absl::StatusOr<pb::Expense> {
                                 RETURN_IF_ERROR(InsertExpense(inner, draft));
                                 ASSIGN_OR_RETURN(Expense made,
                                                  finance::GetExpense(inner, draft.id));
                                 return ToProto(made);
                               });
                         });
                       });
}

grpc::ServerUnaryReactor* ExpenseService::GetExpense(grpc::CallbackServerContext* context,
                                                     const pb::GetExpenseRequest* request,
                                                     pb::Expense* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call,
                              const pb::GetExpenseRequest& in) -> absl::StatusOr<pb::Expense> {
                         ASSIGN_OR_RETURN(ExpenseId id, ExpenseIdFromName(in.name(), "name"));
                         ASSIGN_OR_RETURN(Expense expense,
                                          pool_.Read(call.context(), [&](pg::Tx& tx) {
                                            return finance::GetExpense(tx, id);
                                          }));
                         return ToProto(expense);
                       });
}

grpc::ServerUnaryReactor* ExpenseService::ListExpenses(grpc::CallbackServerContext* context,
                                                       const pb::ListExpensesRequest* request,
                                                       pb::ListExpensesResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::ListExpensesRequest& in) -> absl::StatusOr<pb::ListExpensesResponse> {
        ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
        ASSIGN_OR_RETURN(paging::ListQuery query,
                         paging::ListQuery::Make(ListExpensesSpec(),
                                                 {.filter = in.filter(),
                                                  .order_by = in.order_by(),
                                                  .page_size = in.page_size(),
                                                  .page_token = in.page_token()},
                                                 *signer));
        ASSIGN_OR_RETURN(ExpensePage page, read_pool_.Read(call.context(), [&](pg::Tx& tx) {
          return finance::ListExpenses(tx, query);
        }));
        pb::ListExpensesResponse out;
        for (const Expense& expense : page.expenses) *out.add_expenses() = ToProto(expense);
        out.set_next_page_token(page.next_page_token);
        return out;
      });
}

grpc::ServerUnaryReactor* ExpenseService::UpdateExpense(grpc::CallbackServerContext* context,
                                                        const pb::UpdateExpenseRequest* request,
                                                        pb::Expense* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::UpdateExpenseRequest& in) -> absl::StatusOr<pb::Expense> {
        const absl::CivilDay today = Today();
        ASSIGN_OR_RETURN(ExpenseId id, ExpenseIdFromName(in.expense().name(), "expense.name"));
        ASSIGN_OR_RETURN(ExpensePatch patch, PatchFromProto(in, today));
        return pool_.Write(call.context(), [&](pg::Tx& tx) {
          return request_id::With(
              tx, kPlumbing.request_results, in, call.method(),
              [&](pg::Tx& inner) -> absl::StatusOr<pb::Expense> {
                ASSIGN_OR_RETURN(Expense before, GetExpenseForUpdate(inner, id));
                RETURN_IF_ERROR(CheckEtag(before, in.expense().etag()));
                ASSIGN_OR_RETURN(Expense after, WithPatch(std::move(before), patch, today));
                RETURN_IF_ERROR(SaveExpense(inner, after));
                ASSIGN_OR_RETURN(const Expense saved, finance::GetExpense(inner, id));
                return ToProto(saved);
              });
        });
      });
}

grpc::ServerUnaryReactor* ExpenseService::DeleteExpense(grpc::CallbackServerContext* context,
                                                        const pb::DeleteExpenseRequest* request,
                                                        google::protobuf::Empty* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::DeleteExpenseRequest& in) -> absl::StatusOr<google::protobuf::Empty> {
        ASSIGN_OR_RETURN(ExpenseId id, ExpenseIdFromName(in.name(), "name"));
        return pool_.Write(call.context(), [&](pg::Tx& tx) {
          return request_id::With(tx, kPlumbing.request_results, in, call.method(),
                                  [&](pg::Tx& inner) -> absl::StatusOr<google::protobuf::Empty> {
                                    ASSIGN_OR_RETURN(Expense expense,
                                                     GetExpenseForUpdate(inner, id));
                                    RETURN_IF_ERROR(CheckEtag(expense, in.etag()));
                                    RETURN_IF_ERROR(finance::DeleteExpense(inner, id));
                                    return google::protobuf::Empty();
                                  });
        });
      });
}

}  // namespace lockstep::finance
