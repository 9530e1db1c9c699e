#include "tests/integration/services/migration/server_fixture.h"

#include <utility>

#include "absl/time/clock.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/migration_service.h"
#include "services/migration/server/registry_service.h"
#include "services/migration/server/revision_feed.h"
#include "services/migration/server/run_feed.h"
#include "services/migration/server/run_manager.h"

namespace lockstep::migration {

struct ServerTest::Served {
  explicit Served(std::unique_ptr<Engines> opened) : engines(std::move(opened)) {}
  ~Served() {
    if (server == nullptr) return;
    server->Shutdown();
    runner.Stop();
  }

  std::unique_ptr<Engines> engines;
  RunFeed feed{*engines};
  RevisionFeed revisions{*engines};
  rpc::Runner runner{rpc::RunnerOptions{.service = "migration"}};
  std::unique_ptr<RunManager> runs = std::make_unique<RunManager>(*engines, feed, revisions);
  MigrationService migration{*engines, *runs, feed, runner};
  RegistryService registry{*engines, revisions, runner};
  std::unique_ptr<rpc::Server> server;
};

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

ServerTest::ServerTest() = default;
ServerTest::~ServerTest() { Stop(); }

void ServerTest::Start() {
  auto engines = Engines::Open(Options(), folder_.root());
  ASSERT_TRUE(engines.ok()) << engines.status();
  served_ = std::make_unique<Served>(*std::move(engines));
  auto server = rpc::Server::Start({.drain_delay = absl::ZeroDuration()},
                                   {&served_->migration, &served_->registry}, served_->runner,
                                   [] { return absl::OkStatus(); });
  ASSERT_TRUE(server.ok()) << server.status();
  served_->server = *std::move(server);
  migration_ = v1::MigrationService::NewStub(served_->server->InProcessChannel());
  registry_ = v1::RegistryService::NewStub(served_->server->InProcessChannel());
}

void ServerTest::Stop() { served_.reset(); }

Engines& ServerTest::engines() { return *served_->engines; }
int ServerTest::port() const { return served_->server->port(); }
std::string ServerTest::address() const { return served_->server->address(); }

absl::StatusOr<v1::Run> ServerTest::StartUpgrade(const std::string& target,
                                                 const std::string& request_id) {
  v1::UpgradeRequest request;
  request.set_target(target);
  request.set_request_id(request_id);
  const auto response = Call(*migration_, &Migration::Upgrade, request);
  if (!response.ok()) return response.status();
  return response->run();
}

absl::StatusOr<v1::Run> ServerTest::StartDowngrade(const std::string& target,
                                                   const std::string& request_id, bool archive) {
  v1::DowngradeRequest request;
  request.set_target(target);
  request.set_request_id(request_id);
  request.set_archive(archive);
  const auto response = Call(*migration_, &Migration::Downgrade, request);
  if (!response.ok()) return response.status();
  return response->run();
}

absl::StatusOr<v1::Run> ServerTest::GetRun(const std::string& name) {
  v1::GetRunRequest request;
  request.set_name(name);
  return Call(*migration_, &Migration::GetRun, request);
}

absl::StatusOr<v1::Run> ServerTest::Await(const std::string& name) {
  absl::StatusOr<v1::Run> run;
  Eventually([&] {
    run = GetRun(name);
    return !run.ok() || run->has_finish_time();
  });
  return run;
}

ServerTest::Watched ServerTest::Watch(const std::string& name, std::int64_t after) {
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

void ServerTest::MakeGate() const {
  db_.Execute(
      "CREATE TABLE public.gate (passed integer); INSERT INTO public.gate VALUES (0);"
      "GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT SELECT ON public.gate TO PUBLIC");
}

void ServerTest::Pass(int count) const {
  db_.Execute("UPDATE public.gate SET passed = " + std::to_string(count));
}

std::string ServerTest::GatedSql(int number) {
  return "DO $$ BEGIN WHILE (SELECT passed < " + std::to_string(number) +
         " FROM public.gate) LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; END $$;\n";
}

void ServerTest::AddGatedRevisions(int count) const {
  MakeGate();
  for (int i = 1; i <= count; ++i) {
    const std::string id = IdOf(i);
    WriteRevision(id, i == 1 ? "" : "down_revision: \"" + IdOf(i - 1) + "\"\n",
                  {{"up.sql", GatedSql(i) + "CREATE TABLE core.t_" + id + " (id integer);\n"},
                   {"down.sql", "DROP TABLE core.t_" + id + ";\n"},
                   {"verify.sql", "SELECT id FROM core.t_" + id + " WHERE id IS NULL;\n"}});
  }
}

std::string ServerTest::IdOf(int number) {
  const std::string digits = std::to_string(number);
  return "r" + std::string(3 - digits.size(), '0') + digits;
}

}  // namespace lockstep::migration
