// The migration services over a bootstrapped database and a migrations folder of the test's own, in
// this process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/migration/v1/migration_service.grpc.pb.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/support/call.h"

namespace lockstep::migration {

class Engines;

using ::lockstep::testing::Call;

// Polls until `condition` holds, at most 20 s.
bool Eventually(const std::function<bool()>& condition);

class ServerTest : public EngineTest {
 protected:
  using Migration = v1::MigrationService::Stub;
  using Registry = v1::RegistryService::Stub;

  ServerTest();
  ~ServerTest() override;

  // Serves the folder as it is now. Steps that wait at the gate (GatedSql) may be left waiting: the
  // run is cancelled in the end.
  void Start();
  void Stop();
  // After Start().
  Engines& engines();
  int port() const;
  std::string address() const;

  absl::StatusOr<v1::Run> StartUpgrade(const std::string& target = "head",
                                       const std::string& request_id = "");
  absl::StatusOr<v1::Run> StartDowngrade(const std::string& target,
                                         const std::string& request_id = "", bool archive = false);
  absl::StatusOr<v1::Run> GetRun(const std::string& name);
  // The run once it is over.
  absl::StatusOr<v1::Run> Await(const std::string& name);

  struct Watched {
    std::vector<v1::RunEvent> events;
    absl::Status status;
  };
  // Reads the stream to its end.
  Watched Watch(const std::string& name, std::int64_t after = 0);

  // --- steps that wait until the test says so ---
  void MakeGate() const;
  // Lets the first `count` gated steps pass.
  void Pass(int count) const;
  static std::string GatedSql(int number);
  // A chain of catalog revisions r001, r002, ... that pass the gate one by one.
  void AddGatedRevisions(int count) const;
  static std::string IdOf(int number);

  std::unique_ptr<v1::MigrationService::Stub> migration_;
  std::unique_ptr<v1::RegistryService::Stub> registry_;

 private:
  // Apart, because its classes are much to compile.
  struct Served;
  std::unique_ptr<Served> served_;
};

}  // namespace lockstep::migration
