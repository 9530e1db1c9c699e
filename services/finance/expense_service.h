// lockstep.finance.v1.ExpenseService: messages in, messages out. Rules are in expense.h, SQL in
// expense_repository.h.
#pragma once

#include "absl/time/civil_time.h"
#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/rpc/runner.h"
#include "common/time/clock.h"
#include "lockstep/finance/v1/expense_service.grpc.pb.h"

namespace lockstep::finance {

// Thread-safe. Everything it is given outlives it.
class ExpenseService final : public v1::ExpenseService::CallbackService {
 public:
  // `read_pool` may be the same as `pool`, or one of a replica: lists use it. `clock` says which
  // day today is.
  ExpenseService(pg::Pool& pool, pg::Pool& read_pool, paging::PageSigner& signer,
                 const time::Clock& clock, rpc::Runner& runner);

  grpc::ServerUnaryReactor* CreateExpense(grpc::CallbackServerContext* context,
                                          const v1::CreateExpenseRequest* request,
                                          v1::Expense* response) override;
  grpc::ServerUnaryReactor* GetExpense(grpc::CallbackServerContext* context,
                                       const v1::GetExpenseRequest* request,
                                       v1::Expense* response) override;
  grpc::ServerUnaryReactor* ListExpenses(grpc::CallbackServerContext* context,
                                         const v1::ListExpensesRequest* request,
                                         v1::ListExpensesResponse* response) override;
  grpc::ServerUnaryReactor* UpdateExpense(grpc::CallbackServerContext* context,
                                          const v1::UpdateExpenseRequest* request,
                                          v1::Expense* response) override;
  grpc::ServerUnaryReactor* DeleteExpense(grpc::CallbackServerContext* context,
                                          const v1::DeleteExpenseRequest* request,
                                          google::protobuf::Empty* response) override;

 private:
  absl::CivilDay Today() const;

  pg::Pool& pool_;
  pg::Pool& read_pool_;
  paging::PageSigner& signer_;
  const time::Clock& clock_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::finance
