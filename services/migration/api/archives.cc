#include <charconv>
#include <optional>
#include <string>

#include "common/ids/resource_name.h"
#include "common/paging/page_size.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

// The number in "archives/7"; nullopt for anything else.
std::optional<std::int64_t> NumberIn(std::string_view name) {
  constexpr std::string_view kCollection = "archives/";
  if (!name.starts_with(kCollection)) return std::nullopt;
  const std::string_view digits = name.substr(kCollection.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number <= 0) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

absl::StatusOr<v1::ListArchivesResponse> Api::ListArchives(const Context& context,
                                                           const v1::ListArchivesRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, paging::PageSize(request.page_size()));
  std::int64_t before = 0;
  if (!request.page_token().empty()) {
    // The last one of the page before need not be there any more: its number still tells the place.
    const std::optional<std::int64_t> number = NumberIn(request.page_token());
    if (!number.has_value()) return BadPageToken();
    before = *number;
  }
  // One more than asked for tells whether there is a next page.
  ASSIGN_OR_RETURN(std::vector<ArchivedData> archives,
                   engine_.ListArchives(context, page_size + 1, before));
  v1::ListArchivesResponse response;
  const bool has_more = archives.size() > static_cast<std::size_t>(page_size);
  if (has_more) archives.pop_back();
  for (const ArchivedData& archived : archives) *response.add_archives() = ToProto(archived);
  if (has_more) response.set_next_page_token("archives/" + std::to_string(archives.back().id));
  return response;
}

absl::StatusOr<v1::RestoreArchiveResponse> Api::RestoreArchive(
    const Context& context, const v1::RestoreArchiveRequest& request) {
  const std::optional<std::int64_t> id = NumberIn(request.name());
  if (!id.has_value()) {
    return InvalidField("name", "RESOURCE_NAME_MALFORMED", "must look like archives/7");
  }
  RunOptions options;
  ASSIGN_OR_RETURN(options.run_id, RunIdOfRequest(request.request_id()));
  v1::RestoreArchiveResponse response;
  ASSIGN_OR_RETURN(const std::optional<RunInfo> earlier,
                   FindEarlierRun(context, engine_, options.run_id,
                                  {.kind = "restore", .target = std::to_string(*id)}));
  if (earlier.has_value()) {
    ASSIGN_OR_RETURN(const ArchivedData archived, engine_.GetArchive(context, *id));
    *response.mutable_archive() = ToProto(archived);
    *response.mutable_run() = ToProto(*earlier);
    return response;
  }
  NullEventSink sink;
  ASSIGN_OR_RETURN(const ArchivedData archived,
                   engine_.RestoreArchive(context, *id, options, sink));
  ASSIGN_OR_RETURN(const RunInfo run, engine_.GetRun(context, options.run_id));
  *response.mutable_archive() = ToProto(archived);
  *response.mutable_run() = ToProto(run);
  return response;
}

absl::StatusOr<v1::PurgeArchivesResponse> Api::PurgeArchives(const Context& context,
                                                             const v1::PurgeArchivesRequest&) {
  ASSIGN_OR_RETURN(const int purged, engine_.PurgeArchives(context));
  v1::PurgeArchivesResponse response;
  response.set_purged_count(purged);
  return response;
}

}  // namespace lockstep::migration
