#include "common/ids/resource_name.h"

#include <algorithm>
#include <cstddef>

namespace lockstep::ids {
namespace {

constexpr std::size_t kMaxSlug = 100;

absl::Status Malformed(std::string_view field, std::string_view collection, std::string_view what) {
  std::string description = "must look like ";
  description.append(collection).append("/").append(what);
  return InvalidField(field, "RESOURCE_NAME_MALFORMED", description);
}

bool IsLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// What follows "<collection>/", or an empty text when `name` has another form.
std::string_view SegmentAfter(std::string_view name, std::string_view collection) {
  if (!name.starts_with(collection)) return {};
  name.remove_prefix(collection.size());
  if (!name.starts_with('/')) return {};
  name.remove_prefix(1);
  return name.find('/') == std::string_view::npos ? name : std::string_view();
}

}  // namespace

absl::StatusOr<std::string_view> LastSegment(std::string_view name, std::string_view collection,
                                             std::string_view field) {
  const std::string_view segment = SegmentAfter(name, collection);
  if (segment.empty()) return Malformed(field, collection, "{id}");
  return segment;
}

absl::StatusOr<Uuid> UuidFromName(std::string_view name, std::string_view collection,
                                  std::string_view field) {
  absl::StatusOr<Uuid> uuid = Uuid::Parse(SegmentAfter(name, collection));
  if (!uuid.ok()) return Malformed(field, collection, "{uuid}");
  return uuid;
}

absl::StatusOr<std::string> SlugFromName(std::string_view name, std::string_view collection,
                                         std::string_view field) {
  const std::string_view segment = SegmentAfter(name, collection);
  if (!IsSlug(segment)) return Malformed(field, collection, "{slug}, a slug of a-z, 0-9 and -");
  return std::string(segment);
}

bool IsSlug(std::string_view text) {
  if (text.empty() || text.size() > kMaxSlug) return false;
  if (!IsLetterOrDigit(text.front()) || !IsLetterOrDigit(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLetterOrDigit(c) || c == '-'; });
}

std::string ResourceName(std::string_view collection, std::string_view id) {
  return std::string(collection).append("/").append(id);
}

}  // namespace lockstep::ids
