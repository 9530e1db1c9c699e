// What MigrationService answers, without a server: used by the server and by `lockstep --direct`,
// so that both say the same. Starting and following runs differs between the two and is not here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "lockstep/migration/v1/migration_service.pb.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

// Thread-safe. Errors are those of Engine, and of the contract.
class Api final {
 public:
  explicit Api(Engine& engine) : engine_(engine) {}

  [[nodiscard]] absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(
      const Context& context, const v1::ListRevisionsRequest& request);
  [[nodiscard]] absl::StatusOr<v1::Revision> GetRevision(const Context& context,
                                                         const v1::GetRevisionRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListReleasesResponse> ListReleases(
      const Context& context, const v1::ListReleasesRequest& request);
  [[nodiscard]] absl::StatusOr<v1::GetStatusResponse> GetStatus(
      const Context& context, const v1::GetStatusRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListHistoryResponse> ListHistory(
      const Context& context, const v1::ListHistoryRequest& request);
  [[nodiscard]] absl::StatusOr<v1::PlanResponse> Plan(const Context& context,
                                                      const v1::PlanRequest& request);
  [[nodiscard]] absl::StatusOr<v1::LintResponse> Lint(const Context& context,
                                                      const v1::LintRequest& request);
  [[nodiscard]] absl::StatusOr<v1::RehearseResponse> Rehearse(const Context& context,
                                                              const v1::RehearseRequest& request);
  [[nodiscard]] absl::StatusOr<v1::DiagnoseResponse> Diagnose(const Context& context,
                                                              const v1::DiagnoseRequest& request);
  [[nodiscard]] absl::StatusOr<v1::DetectDriftResponse> DetectDrift(
      const Context& context, const v1::DetectDriftRequest& request);
  [[nodiscard]] absl::StatusOr<v1::VerifyResponse> Verify(const Context& context,
                                                          const v1::VerifyRequest& request);
  [[nodiscard]] absl::StatusOr<v1::StampResponse> Stamp(const Context& context,
                                                        const v1::StampRequest& request);
  [[nodiscard]] absl::StatusOr<v1::AmendResponse> Amend(const Context& context,
                                                        const v1::AmendRequest& request);
  [[nodiscard]] absl::StatusOr<v1::RenderIndexResponse> RenderIndex(
      const Context& context, const v1::RenderIndexRequest& request);
  [[nodiscard]] absl::StatusOr<v1::Run> GetRun(const Context& context,
                                               const v1::GetRunRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListRunsResponse> ListRuns(const Context& context,
                                                              const v1::ListRunsRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListBackfillsResponse> ListBackfills(
      const Context& context, const v1::ListBackfillsRequest& request);
  // Through the ledger, so that it reaches the run wherever it works.
  [[nodiscard]] absl::StatusOr<v1::CancelRunResponse> CancelRun(
      const Context& context, const v1::CancelRunRequest& request);
  [[nodiscard]] absl::StatusOr<v1::PauseRunResponse> PauseRun(const Context& context,
                                                              const v1::PauseRunRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ResumeRunResponse> ResumeRun(
      const Context& context, const v1::ResumeRunRequest& request);
  [[nodiscard]] absl::StatusOr<v1::SetRunRateResponse> SetRunRate(
      const Context& context, const v1::SetRunRateRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListArchivesResponse> ListArchives(
      const Context& context, const v1::ListArchivesRequest& request);
  [[nodiscard]] absl::StatusOr<v1::RestoreArchiveResponse> RestoreArchive(
      const Context& context, const v1::RestoreArchiveRequest& request);
  [[nodiscard]] absl::StatusOr<v1::PurgeArchivesResponse> PurgeArchives(
      const Context& context, const v1::PurgeArchivesRequest& request);
  [[nodiscard]] absl::StatusOr<v1::Freeze> CreateFreeze(const Context& context,
                                                        const v1::CreateFreezeRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListFreezesResponse> ListFreezes(
      const Context& context, const v1::ListFreezesRequest& request);
  [[nodiscard]] absl::StatusOr<v1::LiftFreezeResponse> LiftFreeze(
      const Context& context, const v1::LiftFreezeRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListGatesResponse> ListGates(
      const Context& context, const v1::ListGatesRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ListBuildsResponse> ListBuilds(
      const Context& context, const v1::ListBuildsRequest& request);
  [[nodiscard]] absl::StatusOr<v1::MarkBuildResponse> MarkBuild(
      const Context& context, const v1::MarkBuildRequest& request);
  [[nodiscard]] absl::StatusOr<v1::UnmarkBuildResponse> UnmarkBuild(
      const Context& context, const v1::UnmarkBuildRequest& request);

 private:
  Engine& engine_;
};

// The id in "runs/{uuid}". INVALID_ARGUMENT on "name".
[[nodiscard]] absl::StatusOr<std::string> RunIdFromName(std::string_view name);

// The id of the run that a request starts: its request_id, or a new one when it has none.
// INVALID_ARGUMENT (REQUEST_ID_INVALID).
[[nodiscard]] absl::StatusOr<std::string> RunIdOfRequest(std::string_view request_id);

// What Upgrade and Downgrade ask the engine for.
struct AskedRun {
  std::string target;  // of an upgrade never empty
  RunOptions options;
};
// INVALID_ARGUMENT: REQUEST_ID_INVALID; BLOCKER_CLASS_INVALID; PLAN_INVALID, TARGET_DIFFERS (of the
// reviewed plan).
[[nodiscard]] absl::StatusOr<AskedRun> AskedOf(const v1::UpgradeRequest& request);
[[nodiscard]] absl::StatusOr<AskedRun> AskedOf(const v1::DowngradeRequest& request);

// What a request asks for, as far as its run remembers it.
struct RunAsked {
  std::string kind;  // upgrade, downgrade, stamp, restore
  std::string target;
  bool archive = false;
  bool allow_irreversible = false;
  std::string force_freeze = {};
  std::string force_gate = {};
  std::string force_locks = {};
  std::string plan = {};  // fingerprint of the reviewed one; "" = none
};
// The run that an earlier request with this id started; nullopt when there is none.
// INVALID_ARGUMENT (REQUEST_ID_REUSED) when that request asked for something else.
[[nodiscard]] absl::StatusOr<std::optional<RunInfo>> FindEarlierRun(const Context& context,
                                                                    const Engine& engine,
                                                                    const std::string& run_id,
                                                                    const RunAsked& body);

// INVALID_ARGUMENT (PAGE_TOKEN_INVALID) on "page_token".
[[nodiscard]] absl::Status BadPageToken();

// A status about a target or revision, with the field of the request that named it.
[[nodiscard]] absl::Status AtField(const absl::Status& status, std::string_view field);

}  // namespace lockstep::migration
