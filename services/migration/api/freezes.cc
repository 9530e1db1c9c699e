#include <string>

#include "common/ids/resource_name.h"
#include "common/paging/page_size.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

absl::StatusOr<FreezeOptions> OptionsOf(const v1::CreateFreezeRequest& request) {
  FreezeOptions options;
  // The freeze's id, as the id of a run is that of the request that started it.
  ASSIGN_OR_RETURN(options.id, RunIdOfRequest(request.request_id()));
  options.reason = request.freeze().reason();
  if (request.freeze().has_end_time()) {
    ASSIGN_OR_RETURN(options.ends_at,
                     time::FromProto(request.freeze().end_time(), "freeze.end_time"));
  }
  if (request.has_ttl()) {
    options.lasts =
        absl::Seconds(request.ttl().seconds()) + absl::Nanoseconds(request.ttl().nanos());
  }
  return options;
}

absl::StatusOr<std::string> FreezeIdOf(std::string_view name, std::string_view field) {
  ASSIGN_OR_RETURN(const ids::Uuid id, ids::UuidFromName(name, "freezes", field));
  return id.text();
}

}  // namespace

absl::StatusOr<v1::Freeze> Api::CreateFreeze(const Context& context,
                                             const v1::CreateFreezeRequest& request) {
  ASSIGN_OR_RETURN(const FreezeOptions options, OptionsOf(request));
  ASSIGN_OR_RETURN(const Freeze freeze, engine_.CreateFreeze(context, options));
  return ToProto(freeze);
}

absl::StatusOr<v1::ListFreezesResponse> Api::ListFreezes(const Context& context,
                                                         const v1::ListFreezesRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, paging::PageSize(request.page_size()));
  std::string before;
  if (!request.page_token().empty()) {
    const auto id = FreezeIdOf(request.page_token(), "page_token");
    if (!id.ok()) return BadPageToken();
    before = *id;
  }
  // One more than asked for tells whether there is a next page.
  auto freezes = engine_.ListFreezes(context, page_size + 1, before);
  if (ReasonOf(freezes.status()) == "FREEZE_NOT_FOUND") return BadPageToken();
  RETURN_IF_ERROR(freezes.status());
  v1::ListFreezesResponse response;
  const bool has_more = freezes->size() > static_cast<std::size_t>(page_size);
  if (has_more) freezes->pop_back();
  for (const Freeze& freeze : *freezes) *response.add_freezes() = ToProto(freeze);
  if (has_more) response.set_next_page_token("freezes/" + freezes->back().id);
  return response;
}

absl::StatusOr<v1::LiftFreezeResponse> Api::LiftFreeze(const Context& context,
                                                       const v1::LiftFreezeRequest& request) {
  ASSIGN_OR_RETURN(const std::string id, FreezeIdOf(request.name(), "name"));
  ASSIGN_OR_RETURN(const Freeze freeze, engine_.LiftFreeze(context, id));
  v1::LiftFreezeResponse response;
  *response.mutable_freeze() = ToProto(freeze);
  return response;
}

}  // namespace lockstep::migration
