// lockstep-finance: expenses and reports over gRPC.
#include "common/service/process.h"
#include "common/service/service.h"
#include "common/time/clock.h"
#include "services/finance/expense_service.h"
#include "services/finance/manifest.h"
#include "services/finance/plumbing.h"
#include "services/finance/report_service.h"

namespace lockstep::finance {
namespace {

service::ServiceSpec Spec() {
  return {.database_role = "finance_app",
          .replica_use = "lists and reports",
          .min_pool_size = 1,
          .manifest = Manifest(),
          .plumbing = kPlumbing};
}

int Run(service::Process& process, const service::ServiceSettings& settings) {
  service::Service service(process, settings);
  const time::SystemClock clock;
  ExpenseService expenses(service.pool(), service.read_pool(), service.signer(), clock,
                          service.runner());
  ReportService reports(service.read_pool(), service.runner());
  return service.Serve({&expenses, &reports});
}

}  // namespace
}  // namespace lockstep::finance

int main(int argc, char** argv) {
  lockstep::service::ServiceSettings settings(lockstep::finance::Spec());
  lockstep::service::Process process("finance", "127.0.0.1:7103",
                                     "Expenses, profit and loss, reports.");
  settings.Bind(process.settings());
  if (const auto exit_code = process.Load(argc, argv)) return *exit_code;
  return lockstep::finance::Run(process, settings);
}
