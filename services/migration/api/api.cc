#include "services/migration/api/api.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>

#include "common/ids/resource_name.h"
#include "common/ids/uuid.h"
#include "common/json/json.h"
#include "common/paging/page_size.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/convert.h"
#include "services/migration/api/index.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/target.h"

namespace lockstep::migration {
namespace {

using LedgerById = std::map<std::string, LedgerRevision, std::less<>>;

LedgerById ById(const CurrentState& current) {
  LedgerById by_id;
  for (const LedgerRevision& revision : current.revisions) by_id[revision.id] = revision;
  return by_id;
}

const LedgerRevision* Find(const LedgerById& by_id, const std::string& id) {
  auto it = by_id.find(id);
  return it == by_id.end() ? nullptr : &it->second;
}

}  // namespace

absl::Status BadPageToken() {
  return InvalidField("page_token", "PAGE_TOKEN_INVALID",
                      "not a token of this listing; leave it empty to start again");
}

absl::StatusOr<std::string> RunIdFromName(std::string_view name) {
  ASSIGN_OR_RETURN(std::string_view id, ids::LastSegment(name, "runs", "name"));
  return std::string(id);
}

absl::StatusOr<std::string> RunIdOfRequest(std::string_view request_id) {
  if (request_id.empty()) return NewUuid();
  const absl::StatusOr<ids::Uuid> uuid = ids::Uuid::Parse(request_id);
  if (!uuid.ok()) return InvalidField("request_id", "REQUEST_ID_INVALID", "must be a UUID");
  return uuid->text();
}

absl::StatusOr<std::optional<RunInfo>> FindEarlierRun(const Context& context, const Engine& engine,
                                                      const std::string& run_id,
                                                      const RunAsked& body) {
  absl::StatusOr<RunInfo> run = engine.GetRun(context, run_id);
  if (ReasonOf(run.status()) == "RUN_NOT_FOUND") return std::optional<RunInfo>();
  RETURN_IF_ERROR(run.status());
  bool is_same = run->kind == body.kind && run->target == body.target;
  if (is_same && (run->kind == "downgrade" || run->kind == "upgrade")) {
    // A run without events had nothing to do, with these flags or with others.
    ASSIGN_OR_RETURN(const std::vector<RunEvent> first, engine.ReadEvents(context, run_id, 0, 1));
    const auto asked = nlohmann::json::parse(first.empty() ? "" : first[0].details, nullptr, false);
    if (asked.is_object()) {
      is_same = asked.value("archive", false) == body.archive &&
                asked.value("allow_irreversible", false) == body.allow_irreversible &&
                asked.value("force_freeze", "") == body.force_freeze &&
                asked.value("force_gate", "") == body.force_gate &&
                asked.value("force_locks", "") == body.force_locks &&
                asked.value("plan", "") == body.plan;
    }
  }
  if (is_same) return std::optional<RunInfo>(*std::move(run));
  return Error(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
               "this request_id belongs to another request")
      .Field("request_id", "use a new UUID for a new request");
}

absl::Status AtField(const absl::Status& status, std::string_view field) {
  if (status.ok()) return status;
  const std::string reason = ReasonOf(status);
  if (!reason.starts_with("TARGET_") || !FieldsOf(status).empty()) return status;
  ErrorBuilder error = Error(status.code(), reason, MessageOf(status));
  for (const char* key : {"target", "candidates"}) {
    if (const std::string value = MetadataOf(status, key); !value.empty()) {
      error.With(key, std::string_view(value));
    }
  }
  return error.Field(field, MessageOf(status));
}

absl::StatusOr<v1::ListRevisionsResponse> Api::ListRevisions(
    const Context& context, const v1::ListRevisionsRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, paging::PageSize(request.page_size()));
  if (!request.service().empty() && !IsService(request.service())) return UnknownService("service");
  const Graph& graph = engine_.graph();
  const RevisionSet all =
      request.service().empty() ? graph.All() : graph.OfService(request.service());
  // A token is the id of the last revision of the page before: definitions are few and known to the
  // caller.
  auto begin = all.begin();
  if (!request.page_token().empty()) {
    begin = std::find_if(all.begin(), all.end(), [&](std::size_t position) {
      return graph.at(position).id == request.page_token();
    });
    if (begin == all.end()) return BadPageToken();
    ++begin;
  }
  ASSIGN_OR_RETURN(const CurrentState current, engine_.Current(context));
  const LedgerById by_id = ById(current);
  v1::ListRevisionsResponse response;
  auto it = begin;
  for (; it != all.end() && response.revisions_size() < page_size; ++it) {
    *response.add_revisions() = ToProto(graph, *it, Find(by_id, graph.at(*it).id), WithSql::kNo);
  }
  if (it != all.end()) {
    response.set_next_page_token(response.revisions(response.revisions_size() - 1).id());
  }
  return response;
}

absl::StatusOr<v1::Revision> Api::GetRevision(const Context& context,
                                              const v1::GetRevisionRequest& request) {
  ASSIGN_OR_RETURN(std::string_view id, ids::LastSegment(request.name(), "revisions", "name"));
  const absl::StatusOr<std::size_t> found = ResolveRevision(engine_.graph(), id);
  if (!found.ok()) return AtField(found.status(), "name");
  const std::size_t position = *found;
  ASSIGN_OR_RETURN(const CurrentState current, engine_.Current(context));
  const LedgerById by_id = ById(current);
  return ToProto(engine_.graph(), position, Find(by_id, engine_.graph().at(position).id),
                 WithSql::kYes);
}

absl::StatusOr<v1::ListReleasesResponse> Api::ListReleases(const Context& context,
                                                           const v1::ListReleasesRequest&) {
  ASSIGN_OR_RETURN(const CurrentState current, engine_.Current(context));
  const LedgerById by_id = ById(current);
  const Graph& graph = engine_.graph();
  v1::ListReleasesResponse response;
  for (std::size_t i = 0; i < graph.definitions().releases.size(); ++i) {
    const Release& release = graph.definitions().releases[i];
    v1::Release* message = response.add_releases();
    message->set_id(release.name);
    message->set_date(release.date);
    message->set_title(release.title);
    for (const std::string& id : release.revisions) message->add_revisions(id);
    const RevisionSet& members = graph.ReleaseSet(i);
    message->set_is_applied(std::all_of(members.begin(), members.end(), [&](std::size_t position) {
      const LedgerRevision* ledger = Find(by_id, graph.at(position).id);
      return ledger != nullptr && ledger->state == RevisionState::kApplied;
    }));
  }
  return response;
}

absl::StatusOr<v1::GetStatusResponse> Api::GetStatus(const Context& context,
                                                     const v1::GetStatusRequest&) {
  ASSIGN_OR_RETURN(const EngineStatus status, engine_.Status(context));
  return ToProto(status);
}

absl::StatusOr<v1::ListHistoryResponse> Api::ListHistory(const Context& context,
                                                         const v1::ListHistoryRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, paging::PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::vector<HistoryEntry> entries, engine_.History(context, page_size));
  v1::ListHistoryResponse response;
  for (const HistoryEntry& entry : entries) *response.add_entries() = ToProto(entry);
  return response;
}

absl::StatusOr<v1::PlanResponse> Api::Plan(const Context& context, const v1::PlanRequest& request) {
  if (request.direction() != v1::DIRECTION_UP && request.direction() != v1::DIRECTION_DOWN) {
    return InvalidField("direction", "DIRECTION_INVALID", "DIRECTION_UP or DIRECTION_DOWN");
  }
  const Direction direction =
      request.direction() == v1::DIRECTION_UP ? Direction::kUp : Direction::kDown;
  const absl::StatusOr<PlanReport> report = engine_.PlanFor(context, direction, request.target());
  if (!report.ok()) return AtField(report.status(), "target");
  return ToProto(engine_.graph(), *report);
}

absl::StatusOr<v1::VerifyResponse> Api::Verify(const Context& context, const v1::VerifyRequest&) {
  NullEventSink sink;
  ASSIGN_OR_RETURN(const VerifyReport report, engine_.Verify(context, sink));
  v1::VerifyResponse response;
  for (const VerificationResult& result : report.results) {
    *response.add_results() = ToProto(result);
  }
  response.set_failed_count(report.failed);
  return response;
}

absl::StatusOr<v1::StampResponse> Api::Stamp(const Context& context,
                                             const v1::StampRequest& request) {
  NullEventSink sink;
  RunOptions options;
  ASSIGN_OR_RETURN(options.run_id, RunIdOfRequest(request.request_id()));
  v1::StampResponse response;
  ASSIGN_OR_RETURN(const std::optional<RunInfo> earlier,
                   FindEarlierRun(context, engine_, options.run_id,
                                  {.kind = "stamp", .target = request.target()}));
  if (earlier.has_value()) {
    *response.mutable_run() = ToProto(*earlier);
    return response;
  }
  options.record_when_empty = true;
  const auto report = engine_.Stamp(context, request.target(), options, sink);
  if (!report.ok()) return AtField(report.status(), "target");
  ASSIGN_OR_RETURN(const RunInfo run, engine_.GetRun(context, report->run_id));
  *response.mutable_run() = ToProto(run);
  return response;
}

absl::StatusOr<v1::AmendResponse> Api::Amend(const Context& context,
                                             const v1::AmendRequest& request) {
  AmendOptions amend;
  amend.revision = request.revision();
  amend.file_name = request.file_name();
  amend.down_sql = request.down_sql();
  amend.reason = request.reason();
  amend.step = request.step();
  RETURN_IF_ERROR(AtField(engine_.Amend(context, amend), "revision"));
  return v1::AmendResponse();
}

absl::StatusOr<v1::RenderIndexResponse> Api::RenderIndex(const Context& context,
                                                         const v1::RenderIndexRequest& request) {
  IndexFormat format = IndexFormat::kMarkdown;
  if (request.format() == "html") {
    format = IndexFormat::kHtml;
  } else if (!request.format().empty() && request.format() != "md") {
    return InvalidField("format", "FORMAT_UNKNOWN", "md or html");
  }
  ASSIGN_OR_RETURN(const IndexInput input, ReadIndexInput(context, engine_));
  v1::RenderIndexResponse response;
  response.set_content(migration::RenderIndex(engine_.graph(), input, format));
  return response;
}

absl::StatusOr<v1::Run> Api::GetRun(const Context& context, const v1::GetRunRequest& request) {
  ASSIGN_OR_RETURN(const std::string id, RunIdFromName(request.name()));
  ASSIGN_OR_RETURN(const RunInfo run, engine_.GetRun(context, id));
  return ToProto(run);
}

absl::StatusOr<v1::ListRunsResponse> Api::ListRuns(const Context& context,
                                                   const v1::ListRunsRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, paging::PageSize(request.page_size()));
  if (!request.page_token().empty() &&
      !ids::UuidFromName(request.page_token(), "runs", "page_token").ok()) {
    return BadPageToken();
  }
  std::string before;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(before, RunIdFromName(request.page_token()));
    const absl::Status found = engine_.GetRun(context, before).status();
    if (ReasonOf(found) == "RUN_NOT_FOUND") return BadPageToken();
    RETURN_IF_ERROR(found);
  }
  // One more than asked for tells whether there is a next page.
  ASSIGN_OR_RETURN(std::vector<RunInfo> runs, engine_.ListRuns(context, page_size + 1, before));
  v1::ListRunsResponse response;
  const bool has_more = runs.size() > static_cast<std::size_t>(page_size);
  if (has_more) runs.pop_back();
  for (const RunInfo& run : runs) *response.add_runs() = ToProto(run);
  if (has_more) response.set_next_page_token("runs/" + runs.back().id);
  return response;
}

}  // namespace lockstep::migration
