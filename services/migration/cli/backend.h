// Where commands get their answers: from the migration service, or from the engine in this process
// (--direct).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "lockstep/migration/v1/migration_service.pb.h"
#include "lockstep/migration/v1/registry_service.pb.h"
#include "services/migration/engine/run/reviewed_plan.h"

namespace lockstep::cli {

namespace pb = lockstep::migration::v1;

// What the global flags say.
struct GlobalOptions {
  std::string endpoint = "127.0.0.1:7104";
  std::string orders_endpoint = "127.0.0.1:7102";
  std::string catalog_endpoint = "127.0.0.1:7101";
  std::string finance_endpoint = "127.0.0.1:7103";
  std::string direct_url;  // "" = through the service
  std::string admin_url;
  std::string migrations_dir;
  std::string actor;
  int lease_ttl_s = 15;          // with --direct
  int standby_spacing_s = 5;     // with --direct
  int build_stall_s = 10 * 60;   // with --direct
  int soak_s = 0;                // with --direct: the least soak of CONTRACT revisions
  int expand_budget_s = 3 * 60;  // with --direct
  int later_budget_s = 10 * 60;  // with --direct
  bool json = false;
};

using EventCallback = std::function<void(const pb::RunEvent&)>;

struct RunRequest {
  pb::Direction direction = pb::DIRECTION_UP;
  std::string target;
  bool archive = false;
  bool allow_irreversible = false;
  std::string force_freeze;        // why it goes on in spite of freezes; "" = not
  std::string force_gate;          // why gates do not hold it; "" = they do
  std::string force_locks;         // why steps may lock more than certified; "" = they may not
  std::optional<int> gate_wait_s;  // nullopt: the engine's own setting
  std::optional<migration::ReviewedPlan> reviewed;  // nothing but this runs
  std::vector<pb::BlockerClass> cancel_blockers;
};

// Used by one thread.
class Backend {
 public:
  virtual ~Backend() = default;
  // What is odd about the definitions that this backend loaded, one line each. A server says such
  // things in its own log.
  virtual std::vector<std::string> Warnings() const { return {}; }
  virtual absl::StatusOr<pb::ListRevisionsResponse> ListRevisions(
      const pb::ListRevisionsRequest& request) = 0;
  virtual absl::StatusOr<pb::Revision> GetRevision(const pb::GetRevisionRequest& request) = 0;
  virtual absl::StatusOr<pb::ListReleasesResponse> ListReleases() = 0;
  virtual absl::StatusOr<pb::GetStatusResponse> GetStatus() = 0;
  virtual absl::StatusOr<pb::ListHistoryResponse> ListHistory(int limit) = 0;
  virtual absl::StatusOr<pb::PlanResponse> Plan(const pb::PlanRequest& request) = 0;
  virtual absl::StatusOr<pb::LintResponse> Lint(const pb::LintRequest& request) = 0;
  virtual absl::StatusOr<pb::RehearseResponse> Rehearse(const std::string& target,
                                                        bool measure_only) = 0;
  virtual absl::StatusOr<pb::DetectDriftResponse> DetectDrift() = 0;
  virtual absl::StatusOr<pb::DiagnoseResponse> Diagnose(const std::string& expected_head) = 0;
  virtual absl::StatusOr<pb::VerifyResponse> Verify() = 0;
  virtual absl::StatusOr<pb::Run> Stamp(const std::string& target) = 0;
  virtual absl::Status Amend(const pb::AmendRequest& request) = 0;
  virtual absl::StatusOr<std::string> RenderIndex(const std::string& format) = 0;
  virtual absl::StatusOr<pb::Run> GetRun(const std::string& id) = 0;
  virtual absl::StatusOr<pb::ListRunsResponse> ListRuns(int limit) = 0;
  virtual absl::StatusOr<pb::ListBackfillsResponse> ListBackfills() = 0;
  // What people ask of a run while it works; each returns the run as it is then.
  virtual absl::StatusOr<pb::Run> CancelRun(const std::string& id) = 0;
  virtual absl::StatusOr<pb::Run> PauseRun(const std::string& id) = 0;
  virtual absl::StatusOr<pb::Run> ResumeRun(const std::string& id) = 0;
  virtual absl::StatusOr<pb::Run> SetRunRate(const std::string& id, int rows_per_second) = 0;
  virtual absl::StatusOr<pb::ListArchivesResponse> ListArchives(
      const pb::ListArchivesRequest& request) = 0;
  virtual absl::StatusOr<pb::RestoreArchiveResponse> RestoreArchive(const std::string& number) = 0;
  virtual absl::StatusOr<pb::PurgeArchivesResponse> PurgeArchives() = 0;
  virtual absl::StatusOr<pb::Freeze> CreateFreeze(const pb::CreateFreezeRequest& request) = 0;
  virtual absl::StatusOr<pb::ListFreezesResponse> ListFreezes(
      const pb::ListFreezesRequest& request) = 0;
  virtual absl::StatusOr<pb::LiftFreezeResponse> LiftFreeze(
      const pb::LiftFreezeRequest& request) = 0;
  virtual absl::StatusOr<pb::ListGatesResponse> ListGates() = 0;
  virtual absl::StatusOr<pb::ListBuildsResponse> ListBuilds() = 0;
  virtual absl::StatusOr<pb::MarkBuildResponse> MarkBuild(const pb::MarkBuildRequest& request) = 0;
  virtual absl::StatusOr<pb::UnmarkBuildResponse> UnmarkBuild(
      const pb::UnmarkBuildRequest& request) = 0;
  virtual absl::StatusOr<pb::ListInstancesResponse> ListInstances() = 0;
  virtual absl::StatusOr<bool> IsApplied(const std::string& service,
                                         const std::string& revision) = 0;
  // The same after waiting for it, at most `timeout`, where the backend is told when it happens;
  // others answer at once. False: ask again.
  virtual absl::StatusOr<bool> AwaitApplied(const std::string& service, const std::string& revision,
                                            absl::Duration timeout) {
    (void)timeout;
    return IsApplied(service, revision);
  }

  // Runs to the end and reports events on the way. The status is about the run: OK, or why it did
  // not succeed. `run` is filled as far as it is known; its name is empty when there was nothing to
  // do and nothing was recorded.
  virtual absl::Status Run(const RunRequest& request, const EventCallback& on_event,
                           pb::Run& run) = 0;
  // Reports the events of a run after `offset`; with `follow` until it ends, else those there are.
  virtual absl::Status Watch(const std::string& id, std::int64_t offset, bool follow,
                             const EventCallback& on_event) = 0;
};

std::unique_ptr<Backend> MakeRemoteBackend(const GlobalOptions& options);
// Loads the definitions. `use_cache`: trust the cache of unchanged files (only for commands that
// neither plan nor check).
absl::StatusOr<std::unique_ptr<Backend>> MakeDirectBackend(const GlobalOptions& options,
                                                           bool use_cache);

// The error of a run that did not succeed, OK for one that did.
absl::Status StatusOfRun(const pb::Run& run);

}  // namespace lockstep::cli
