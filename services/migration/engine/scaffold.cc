#include "services/migration/engine/scaffold.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/files.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostSlug = 40;
constexpr unsigned kReadableByAll = 0644;

absl::StatusOr<std::string> ParentOf(const Definitions& definitions, std::string_view service) {
  const Graph graph(definitions);
  const RevisionSet heads = graph.Heads(graph.OfService(service));
  if (heads.size() > 1) {
    return Error(absl::StatusCode::kFailedPrecondition, "SEVERAL_HEADS",
                 "the service has several heads; merge them first")
        .With("service", service);
  }
  return heads.empty() ? std::string() : graph.at(heads[0]).id;
}

std::string SpecText(const std::string& id, std::string_view service, std::string_view title,
                     const std::string& parent, absl::CivilDay created) {
  std::string text =
      "# proto-file: lockstep/migration/v1/revision_spec.proto\n"
      "# proto-message: RevisionSpec\n";
  text += "id: \"" + id + "\"\n";
  text += "title: \"" + absl::Utf8SafeCEscape(std::string(title)) + "\"\n";
  text.append("service: \"").append(service).append("\"\n");
  if (!parent.empty()) text += "down_revision: \"" + parent + "\"\n";
  text += "created: \"" + absl::FormatCivilTime(created) + "\"\n";
  text +=
      "# PHASE_EXPAND: old builds keep working. PHASE_MIGRATE: data moves. PHASE_CONTRACT: an old "
      "shape goes.\n"
      "phase: PHASE_EXPAND\n"
      "index {\n"
      "  # What the migration index says: what changes, what it means, what is left to do, what to "
      "mind on the way back.\n"
      "  key_changes: \"\"\n"
      "  impact: \"\"\n"
      "}\n";
  return text;
}

}  // namespace

std::string SlugOf(std::string_view title) {
  std::string slug;
  for (const char c : title) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && std::isalnum(byte) != 0) {
      slug += static_cast<char>(std::tolower(byte));
    } else if (!slug.empty() && slug.back() != '_') {
      slug += '_';
    }
  }
  if (slug.size() > kMostSlug) slug.resize(kMostSlug);
  while (!slug.empty() && slug.back() == '_') slug.pop_back();
  return slug;
}

std::string NewRevisionId(const Definitions& definitions) {
  const Graph graph(definitions);
  std::random_device random;
  for (;;) {
    const std::uint64_t bits = (static_cast<std::uint64_t>(random()) << 32) | random();
    std::string id = absl::StrFormat("%012x", bits & 0xFFFF'FFFF'FFFFULL);
    // A free prefix as well: the new revision can be named by its beginning at once.
    if (graph.FindByPrefix(id).empty() && graph.FindByPrefix(id.substr(0, 4)).empty()) return id;
    if (graph.size() > 10'000 && graph.FindByPrefix(id).empty()) return id;
  }
}

absl::StatusOr<NewRevision> CreateRevision(const Definitions& definitions, std::string_view service,
                                           std::string_view title, absl::CivilDay created) {
  if (!IsService(service)) return UnknownService("service");
  const std::string slug = SlugOf(title);
  const bool has_control = std::any_of(title.begin(), title.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (slug.empty() || title.size() > 100 || has_control) {
    return InvalidField("title", "TITLE_INVALID",
                        "must be one line of 1 to 100 characters with some letter or digit");
  }
  ASSIGN_OR_RETURN(const std::string parent, ParentOf(definitions, service));
  NewRevision revision;
  revision.id = NewRevisionId(definitions);
  revision.folder = std::string(service) + "/" + revision.id + "_" + slug;
  const std::string path = definitions.root + "/" + revision.folder;
  const std::string heading = "-- up.sql of \"" + std::string(title) + "\"\n";
  const std::pair<const char*, std::string> files[] = {
      {"revision.textproto", SpecText(revision.id, service, title, parent, created)},
      {"up.sql", heading + "-- Why: \n"},
      {"down.sql", "-- Takes back exactly what up.sql does.\n"},
      {"verify.sql",
       "-- Queries that return the violations of what this revision promises; no rows means that "
       "it holds.\n"},
  };
  std::error_code error;
  fs::create_directories(fs::path(definitions.root) / std::string(service), error);
  bool is_written = !error && fs::create_directory(path, error);
  for (const auto& [name, text] : files) {
    is_written = is_written && WriteWholeFile(path + "/" + name, text, kReadableByAll);
  }
  const std::string releases = definitions.root + "/releases.textproto";
  if (is_written && !fs::exists(releases, error)) {
    is_written = WriteWholeFile(releases, "", kReadableByAll);
  }
  if (!is_written) {
    return Error(absl::StatusCode::kInternal, "FOLDER_NOT_WRITTEN", "could not write " + path);
  }
  return revision;
}

}  // namespace lockstep::migration
