#include <string>

#include "common/paging/page_size.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {

absl::StatusOr<v1::ListBackfillsResponse> Api::ListBackfills(
    const Context& context, const v1::ListBackfillsRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, paging::PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const auto backfills, engine_.ListBackfills(context, page_size));
  v1::ListBackfillsResponse response;
  for (const BackfillInfo& backfill : backfills) *response.add_backfills() = ToProto(backfill);
  return response;
}

absl::StatusOr<v1::CancelRunResponse> Api::CancelRun(const Context& context,
                                                     const v1::CancelRunRequest& request) {
  ASSIGN_OR_RETURN(const std::string id, RunIdFromName(request.name()));
  ASSIGN_OR_RETURN(const RunInfo run, engine_.ControlRun(context, id, "cancel"));
  v1::CancelRunResponse response;
  *response.mutable_run() = ToProto(run);
  return response;
}

absl::StatusOr<v1::PauseRunResponse> Api::PauseRun(const Context& context,
                                                   const v1::PauseRunRequest& request) {
  ASSIGN_OR_RETURN(const std::string id, RunIdFromName(request.name()));
  ASSIGN_OR_RETURN(const RunInfo run, engine_.ControlRun(context, id, "pause"));
  v1::PauseRunResponse response;
  *response.mutable_run() = ToProto(run);
  return response;
}

absl::StatusOr<v1::ResumeRunResponse> Api::ResumeRun(const Context& context,
                                                     const v1::ResumeRunRequest& request) {
  ASSIGN_OR_RETURN(const std::string id, RunIdFromName(request.name()));
  ASSIGN_OR_RETURN(const RunInfo run, engine_.ControlRun(context, id, "run"));
  v1::ResumeRunResponse response;
  *response.mutable_run() = ToProto(run);
  return response;
}

absl::StatusOr<v1::SetRunRateResponse> Api::SetRunRate(const Context& context,
                                                       const v1::SetRunRateRequest& request) {
  ASSIGN_OR_RETURN(const std::string id, RunIdFromName(request.name()));
  ASSIGN_OR_RETURN(const RunInfo run, engine_.LimitRun(context, id, request.rows_per_second()));
  v1::SetRunRateResponse response;
  *response.mutable_run() = ToProto(run);
  return response;
}

}  // namespace lockstep::migration
