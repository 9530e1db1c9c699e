// The migration services over a bootstrapped database and a migrations folder of the test's own, in
// this process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "lockstep/migration/v1/migration_service.grpc.pb.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/migration_service.h"
#include "services/migration/server/registry_service.h"
#include "services/migration/server/revision_feed.h"
#include "services/migration/server/run_feed.h"
#include "services/migration/server/run_manager.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/support/call.h"

namespace lockstep::migration {

using ::lockstep::testing::Call;

// Polls until `condition` holds, at most 20 s.
inline bool Eventually(const std::function<bool()>& condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

class ServerTest : public EngineTest {
 protected:
  using Migration = v1::MigrationService::Stub;
  using Registry = v1::RegistryService::Stub;

  ~ServerTest() override { Stop(); }

  // Serves the folder as it is now. Steps that wait at the gate (GatedSql) may be left waiting: the
  // run is cancelled in the end.
  void Start() {
    auto engines = Engines::Open(Options(), folder_.root());
    ASSERT_TRUE(engines.ok()) << engines.status();
    engines_ = *std::move(engines);
    feed_ = std::make_unique<RunFeed>(*engines_);
    revisions_ = std::make_unique<RevisionFeed>(*engines_);
    runs_ = std::make_unique<RunManager>(*engines_, *feed_, *revisions_);
    runner_ = std::make_unique<rpc::Runner>(rpc::RunnerOptions{.service = "migration"});
    migration_service_ = std::make_unique<MigrationService>(*engines_, *runs_, *feed_, *runner_);
    registry_service_ = std::make_unique<RegistryService>(*engines_, *revisions_, *runner_);
    auto server = rpc::Server::Start({.drain_delay = absl::ZeroDuration()},
                                     {migration_service_.get(), registry_service_.get()}, *runner_,
                                     [] { return absl::OkStatus(); });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    migration_ = v1::MigrationService::NewStub(server_->InProcessChannel());
    registry_ = v1::RegistryService::NewStub(server_->InProcessChannel());
  }
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown();
    runner_->Stop();
    runs_.reset();
  }

  absl::StatusOr<v1::Run> StartUpgrade(const std::string& target = "head",
                                       const std::string& request_id = "") {
    v1::UpgradeRequest request;
    request.set_target(target);
    request.set_request_id(request_id);
    const auto response = Call(*migration_, &Migration::Upgrade, request);
    if (!response.ok()) return response.status();
    return response->run();
  }
  absl::StatusOr<v1::Run> StartDowngrade(const std::string& target,
                                         const std::string& request_id = "", bool archive = false) {
    v1::DowngradeRequest request;
    request.set_target(target);
    request.set_request_id(request_id);
    request.set_archive(archive);
    const auto response = Call(*migration_, &Migration::Downgrade, request);
    if (!response.ok()) return response.status();
    return response->run();
  }
  absl::StatusOr<v1::Run> GetRun(const std::string& name) {
    v1::GetRunRequest request;
    request.set_name(name);
    return Call(*migration_, &Migration::GetRun, request);
  }
  // The run once it is over.
  absl::StatusOr<v1::Run> Await(const std::string& name) {
    absl::StatusOr<v1::Run> run;
    Eventually([&] {
      run = GetRun(name);
      return !run.ok() || run->has_finish_time();
    });
    return run;
  }

  struct Watched {
    std::vector<v1::RunEvent> events;
    absl::Status status;
  };
  // Reads the stream to its end.
  Watched Watch(const std::string& name, std::int64_t after = 0) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    v1::WatchRunRequest request;
    request.set_name(name);
    request.set_after_offset(after);
    const auto reader = migration_->WatchRun(&context, request);
    Watched watched;
    v1::WatchRunResponse response;
    while (reader->Read(&response)) watched.events.push_back(response.event());
    watched.status = rpc::FromGrpc(reader->Finish());
    return watched;
  }

  // --- steps that wait until the test says so ---
  void MakeGate() const {
    db_.Execute(
        "CREATE TABLE public.gate (passed integer); INSERT INTO public.gate VALUES (0);"
        "GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT SELECT ON public.gate TO PUBLIC");
  }
  // Lets the first `count` gated steps pass.
  void Pass(int count) const {
    db_.Execute("UPDATE public.gate SET passed = " + std::to_string(count));
  }
  static std::string GatedSql(int number) {
    return "DO $$ BEGIN WHILE (SELECT passed < " + std::to_string(number) +
           " FROM public.gate) LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; END $$;\n";
  }
  // A chain of catalog revisions r001, r002, ... that pass the gate one by one.
  void AddGatedRevisions(int count) const {
    MakeGate();
    for (int i = 1; i <= count; ++i) {
      const std::string id = IdOf(i);
      WriteRevision(id, i == 1 ? "" : "down_revision: \"" + IdOf(i - 1) + "\"\n",
                    {{"up.sql", GatedSql(i) + "CREATE TABLE core.t_" + id + " (id integer);\n"},
                     {"down.sql", "DROP TABLE core.t_" + id + ";\n"},
                     {"verify.sql", "SELECT id FROM core.t_" + id + " WHERE id IS NULL;\n"}});
    }
  }
  static std::string IdOf(int number) {
    const std::string digits = std::to_string(number);
    return "r" + std::string(3 - digits.size(), '0') + digits;
  }

  std::unique_ptr<Engines> engines_;
  std::unique_ptr<RunFeed> feed_;
  std::unique_ptr<RevisionFeed> revisions_;
  std::unique_ptr<RunManager> runs_;
  std::unique_ptr<rpc::Runner> runner_;
  std::unique_ptr<MigrationService> migration_service_;
  std::unique_ptr<RegistryService> registry_service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<v1::MigrationService::Stub> migration_;
  std::unique_ptr<v1::RegistryService::Stub> registry_;
};

}  // namespace lockstep::migration
