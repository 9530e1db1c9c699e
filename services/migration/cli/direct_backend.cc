#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"
#include "services/migration/cli/backend.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::cli {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(200);
constexpr int kEventPage = 500;

class ForwardingSink final : public migration::EventSink {
 public:
  explicit ForwardingSink(const EventCallback& on_event) : on_event_(on_event) {}
  void OnEvent(const migration::RunEvent& event) override { on_event_(migration::ToProto(event)); }

 private:
  const EventCallback& on_event_;
};

class DirectBackend final : public Backend {
 public:
  DirectBackend(migration::EngineOptions options, migration::Definitions definitions,
                std::unique_ptr<migration::SessionAhead> session_ahead)
      : session_ahead_(std::move(session_ahead)),
        engine_(std::make_unique<migration::Engine>(std::move(options), std::move(definitions))),
        api_(*engine_) {}

  // The process ends with its command. Freeing thousands of steps string by string would take about
  // as long as reading them from the cache does, so they are left to the operating system.
  ~DirectBackend() override {
    static const migration::Engine* const kept = engine_.release();
    static_cast<void>(kept);
  }

  std::vector<std::string> Warnings() const override {
    std::vector<std::string> lines;
    for (const migration::Problem& warning : engine_->definitions().warnings) {
      lines.push_back(warning.text());
    }
    return lines;
  }

  absl::StatusOr<pb::ListRevisionsResponse> ListRevisions(
      const pb::ListRevisionsRequest& request) override {
    return api_.ListRevisions(context_, request);
  }
  absl::StatusOr<pb::Revision> GetRevision(const pb::GetRevisionRequest& request) override {
    return api_.GetRevision(context_, request);
  }
  absl::StatusOr<pb::ListReleasesResponse> ListReleases() override {
    return api_.ListReleases(context_, pb::ListReleasesRequest());
  }
  absl::StatusOr<pb::GetStatusResponse> GetStatus() override {
    return api_.GetStatus(context_, pb::GetStatusRequest());
  }
  absl::StatusOr<pb::ListHistoryResponse> ListHistory(int limit) override {
    pb::ListHistoryRequest request;
    request.set_page_size(limit);
    return api_.ListHistory(context_, request);
  }
  absl::StatusOr<pb::PlanResponse> Plan(const pb::PlanRequest& request) override {
    return api_.Plan(context_, request);
  }
  absl::StatusOr<pb::LintResponse> Lint(const pb::LintRequest& request) override {
    return api_.Lint(context_, request);
  }
  absl::StatusOr<pb::RehearseResponse> Rehearse(const std::string& target,
                                                bool measure_only) override {
    pb::RehearseRequest request;
    request.set_target(target);
    request.set_measure_only(measure_only);
    return api_.Rehearse(context_, request);
  }
  absl::StatusOr<pb::DiagnoseResponse> Diagnose(const std::string& expected_head) override {
    pb::DiagnoseRequest request;
    request.set_expected_chain_head(expected_head);
    return api_.Diagnose(context_, request);
  }
  absl::StatusOr<pb::DetectDriftResponse> DetectDrift() override {
    return api_.DetectDrift(context_, pb::DetectDriftRequest());
  }
  absl::StatusOr<pb::VerifyResponse> Verify() override {
    return api_.Verify(context_, pb::VerifyRequest());
  }
  absl::StatusOr<pb::Run> Stamp(const std::string& target) override {
    pb::StampRequest request;
    request.set_target(target);
    ASSIGN_OR_RETURN(pb::StampResponse response, api_.Stamp(context_, request));
    return response.run();
  }
  absl::Status Amend(const pb::AmendRequest& request) override {
    return api_.Amend(context_, request).status();
  }
  absl::StatusOr<std::string> RenderIndex(const std::string& format) override {
    pb::RenderIndexRequest request;
    request.set_format(format);
    ASSIGN_OR_RETURN(pb::RenderIndexResponse response, api_.RenderIndex(context_, request));
    return response.content();
  }
  absl::StatusOr<pb::Run> GetRun(const std::string& id) override {
    pb::GetRunRequest request;
    request.set_name("runs/" + id);
    return api_.GetRun(context_, request);
  }
  absl::StatusOr<pb::ListRunsResponse> ListRuns(int limit) override {
    pb::ListRunsRequest request;
    request.set_page_size(limit);
    return api_.ListRuns(context_, request);
  }
  absl::StatusOr<pb::ListBackfillsResponse> ListBackfills() override {
    return api_.ListBackfills(context_, pb::ListBackfillsRequest());
  }
  absl::StatusOr<pb::Run> CancelRun(const std::string& id) override {
    return Ask(&migration::Api::CancelRun, pb::CancelRunRequest(), id);
  }
  absl::StatusOr<pb::Run> PauseRun(const std::string& id) override {
    return Ask(&migration::Api::PauseRun, pb::PauseRunRequest(), id);
  }
  absl::StatusOr<pb::Run> ResumeRun(const std::string& id) override {
    return Ask(&migration::Api::ResumeRun, pb::ResumeRunRequest(), id);
  }
  absl::StatusOr<pb::Run> SetRunRate(const std::string& id, int rows_per_second) override {
    pb::SetRunRateRequest request;
    request.set_rows_per_second(rows_per_second);
    return Ask(&migration::Api::SetRunRate, std::move(request), id);
  }
  absl::StatusOr<pb::ListArchivesResponse> ListArchives(
      const pb::ListArchivesRequest& request) override {
    return api_.ListArchives(context_, request);
  }
  absl::StatusOr<pb::RestoreArchiveResponse> RestoreArchive(const std::string& number) override {
    pb::RestoreArchiveRequest request;
    request.set_name("archives/" + number);
    return api_.RestoreArchive(context_, request);
  }
  absl::StatusOr<pb::PurgeArchivesResponse> PurgeArchives() override {
    return api_.PurgeArchives(context_, pb::PurgeArchivesRequest());
  }
  absl::StatusOr<pb::Freeze> CreateFreeze(const pb::CreateFreezeRequest& request) override {
    return api_.CreateFreeze(context_, request);
  }
  absl::StatusOr<pb::ListFreezesResponse> ListFreezes(
      const pb::ListFreezesRequest& request) override {
    return api_.ListFreezes(context_, request);
  }
  absl::StatusOr<pb::LiftFreezeResponse> LiftFreeze(const pb::LiftFreezeRequest& request) override {
    return api_.LiftFreeze(context_, request);
  }
  absl::StatusOr<pb::ListGatesResponse> ListGates() override {
    return api_.ListGates(context_, pb::ListGatesRequest());
  }
  absl::StatusOr<pb::ListBuildsResponse> ListBuilds() override {
    return api_.ListBuilds(context_, pb::ListBuildsRequest());
  }
  absl::StatusOr<pb::MarkBuildResponse> MarkBuild(const pb::MarkBuildRequest& request) override {
    return api_.MarkBuild(context_, request);
  }
  absl::StatusOr<pb::UnmarkBuildResponse> UnmarkBuild(
      const pb::UnmarkBuildRequest& request) override {
    return api_.UnmarkBuild(context_, request);
  }
  absl::StatusOr<pb::ListInstancesResponse> ListInstances() override {
    ASSIGN_OR_RETURN(const auto instances, engine_->Instances(context_));
    pb::ListInstancesResponse response;
    for (const auto& instance : instances) {
      *response.add_instances() = migration::ToProto(instance);
    }
    return response;
  }
  absl::StatusOr<bool> IsApplied(const std::string& service, const std::string& revision) override {
    return engine_->IsApplied(context_, service, revision);
  }

  absl::Status Run(const RunRequest& request, const EventCallback& on_event,
                   pb::Run& run) override {
    ForwardingSink sink(on_event);
    migration::RunOptions options;
    options.run_id = migration::NewUuid();
    options.archive = request.archive;
    options.allow_irreversible = request.allow_irreversible;
    options.force_freeze = request.force_freeze;
    options.force_gate = request.force_gate;
    options.force_locks = request.force_locks;
    if (request.gate_wait_s.has_value()) options.gate_wait = absl::Seconds(*request.gate_wait_s);
    options.reviewed = request.reviewed;
    const google::protobuf::RepeatedField<int> classes(request.cancel_blockers.begin(),
                                                       request.cancel_blockers.end());
    ASSIGN_OR_RETURN(options.cancel_blockers, migration::FromProto(classes));
    const auto report = request.direction == pb::DIRECTION_UP
                            ? engine_->Upgrade(context_, request.target, options, sink)
                            : engine_->Downgrade(context_, request.target, options, sink);
    if (report.ok() && report->run_id.empty()) {
      run.set_state(pb::RUN_STATE_SUCCEEDED);
      run.set_target(request.target);
      return absl::OkStatus();
    }
    // A run that was refused before the ledger had it has no line to show.
    if (auto info = engine_->GetRun(context_, options.run_id); info.ok()) {
      run = migration::ToProto(*info);
    }
    return report.status();
  }

  absl::Status Watch(const std::string& id, std::int64_t offset, bool follow,
                     const EventCallback& on_event) override {
    while (true) {
      ASSIGN_OR_RETURN(const migration::RunInfo run, engine_->GetRun(context_, id));
      ASSIGN_OR_RETURN(const auto events,
                       engine_->ReadEvents(context_, run.id, offset, kEventPage));
      for (const auto& event : events) {
        offset = event.offset;
        on_event(migration::ToProto(event));
      }
      if (static_cast<int>(events.size()) == kEventPage) continue;
      if (!follow || migration::IsOver(migration::ToProto(run).state())) return absl::OkStatus();
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(kPollInterval));
    }
  }

 private:
  // One of the methods that take a run's name and answer with the run.
  template <typename Request, typename Response>
  absl::StatusOr<pb::Run> Ask(absl::StatusOr<Response> (migration::Api::*method)(const Context&,
                                                                                 const Request&),
                              Request request, const std::string& id) {
    request.set_name("runs/" + id);
    ASSIGN_OR_RETURN(Response response, (api_.*method)(context_, request));
    return std::move(*response.mutable_run());
  }

  const Context context_ = Context::WithDeadline(absl::InfiniteFuture());
  const std::unique_ptr<migration::SessionAhead> session_ahead_;
  std::unique_ptr<migration::Engine> engine_;
  migration::Api api_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> MakeDirectBackend(const GlobalOptions& options,
                                                           bool use_cache) {
  migration::EngineOptions engine;
  engine.database_url = options.direct_url;
  engine.admin_url = options.admin_url;
  engine.actor = options.actor;
  engine.lease_ttl = absl::Seconds(options.lease_ttl_s);
  engine.soak = absl::Seconds(options.soak_s);
  engine.standby_spacing = absl::Seconds(options.standby_spacing_s);
  engine.budgets.expand = absl::Seconds(options.expand_budget_s);
  engine.budgets.later = absl::Seconds(options.later_budget_s);
  engine.build_stall_after = absl::Seconds(options.build_stall_s);
  migration::LoadOptions load;
  std::unique_ptr<migration::SessionAhead> session_ahead;
  if (use_cache) {
    // What then remains takes about as long as connecting does.
    session_ahead = std::make_unique<migration::SessionAhead>(engine);
    engine.session_ahead = session_ahead.get();
    load.cache = migration::CacheMode::kUse;
  } else {
    load.cache = migration::CacheMode::kOff;
  }
  ASSIGN_OR_RETURN(migration::Definitions definitions,
                   migration::LoadDefinitions(options.migrations_dir, load));
  return std::make_unique<DirectBackend>(std::move(engine), std::move(definitions),
                                         std::move(session_ahead));
}

}  // namespace lockstep::cli
