// The finance services over a migrated database of the test's own, in this process, as the role
// that the real process has. It is the afternoon of 2025-10-01.
#pragma once

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "common/status/testing.h"
#include "common/time/clock.h"
#include "common/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "lockstep/finance/v1/expense_service.grpc.pb.h"
#include "lockstep/finance/v1/report_service.grpc.pb.h"
#include "services/finance/expense_service.h"
#include "services/finance/plumbing.h"
#include "services/finance/report_service.h"
#include "tests/support/call.h"
#include "tests/support/test_database.h"

namespace lockstep::finance {

using ::lockstep::testing::Call;

namespace pb = lockstep::finance::v1;

class FinanceServer : public ::testing::Test {
 protected:
  FinanceServer()
      : database_(lockstep::testing::TestDatabase::CreateMigrated()),
        clock_(time::StartOf(absl::CivilDay(2025, 10, 1)) + absl::Hours(15)),
        pool_({.database_url = database_.url("finance_app"), .size = 8}),
        signer_(pool_, kPlumbing.signing_keys),
        runner_({.service = "finance", .workers = 8}),
        expense_service_(pool_, pool_, signer_, clock_, runner_),
        report_service_(pool_, runner_) {
    auto server = rpc::Server::Start({.drain_delay = absl::ZeroDuration()},
                                     {&expense_service_, &report_service_}, runner_,
                                     [] { return absl::OkStatus(); });
    if (!server.ok()) ADD_FAILURE() << server.status();
    server_ = *std::move(server);
    channel_ = server_->InProcessChannel();
    expenses_ = pb::ExpenseService::NewStub(channel_);
    reports_ = pb::ReportService::NewStub(channel_);
  }

  ~FinanceServer() override {
    server_->Shutdown();
    runner_.Stop();
  }

  // The message that `json` is.
  template <typename Message>
  static Message Parse(const std::string& json) {
    Message message;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
    EXPECT_TRUE(status.ok()) << json << "\n" << status.ToString();
    return message;
  }

  lockstep::testing::TestDatabase database_;
  time::FakeClock clock_;
  pg::Pool pool_;
  paging::PageSigner signer_;
  rpc::Runner runner_;
  ExpenseService expense_service_;
  ReportService report_service_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::ExpenseService::Stub> expenses_;
  std::unique_ptr<pb::ReportService::Stub> reports_;
};

// "-12.34" in EUR; "none" for an absent amount.
inline std::string AmountText(bool is_set, const google::type::Money& money) {
  if (!is_set) return "none";
  const std::int64_t cents = money.units() * 100 + money.nanos() / 10'000'000;
  const std::int64_t size = cents < 0 ? -cents : cents;
  const std::string fraction = std::to_string(size % 100);
  return (cents < 0 ? "-" : "") + std::to_string(size / 100) + "." +
         (fraction.size() == 1 ? "0" : "") + fraction;
}

}  // namespace lockstep::finance
