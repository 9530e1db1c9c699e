// lockstep.finance.v1.ReportService: messages in, messages out. Rules are in statement.h, SQL in
// report_repository.h.
#pragma once

#include "common/pg/pool.h"
#include "common/rpc/runner.h"
#include "lockstep/finance/v1/report_service.grpc.pb.h"

namespace lockstep::finance {

// Thread-safe. Everything it is given outlives it.
class ReportService final : public v1::ReportService::CallbackService {
 public:
  // Only reads: `read_pool` may be one of a replica.
  ReportService(pg::Pool& read_pool, rpc::Runner& runner);

  grpc::ServerUnaryReactor* ProfitAndLoss(grpc::CallbackServerContext* context,
                                          const v1::ProfitAndLossRequest* request,
                                          v1::ProfitAndLossResponse* response) override;
  grpc::ServerUnaryReactor* PlatformPerformance(grpc::CallbackServerContext* context,
                                                const v1::PlatformPerformanceRequest* request,
                                                v1::PlatformPerformanceResponse* response) override;

 private:
  pg::Pool& read_pool_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::finance
