// {id}/ or {id}_{name}/ with up.sql, down.sql and metadata.yaml; parents make the order.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Metadata {
  std::string name;
  std::vector<std::string> parents;
  bool is_privileged = false;
};

std::string Unquoted(std::string_view text) {
  text = Trimmed(text);
  if (text.size() > 1 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0]) {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

// The few lines of YAML that Sourcegraph writes: scalars, and one list in either style.
Metadata ReadMetadata(std::string_view yaml) {
  Metadata metadata;
  bool in_parents = false;
  for (const SourceLine& line : LinesOf(yaml)) {
    const std::string_view text = Trimmed(line.text.substr(0, line.text.find(" #")));
    if (in_parents && text.starts_with("-")) {
      metadata.parents.push_back(Unquoted(text.substr(1)));
      continue;
    }
    in_parents = false;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = text.substr(0, colon);
    std::string_view value = Trimmed(text.substr(colon + 1));
    if (key == "name") metadata.name = Unquoted(value);
    if (key == "privileged") metadata.is_privileged = value == "true";
    if (key != "parents") continue;
    in_parents = value.empty();
    if (!value.starts_with("[")) continue;
    value = value.substr(
        1, value.find(']') == std::string_view::npos ? value.size() : value.find(']') - 1);
    while (!Trimmed(value).empty()) {
      const std::size_t comma = std::min(value.find(','), value.size());
      metadata.parents.push_back(Unquoted(value.substr(0, comma)));
      value.remove_prefix(std::min(comma + 1, value.size()));
    }
  }
  return metadata;
}

class SourcegraphReader {
 public:
  explicit SourcegraphReader(const HistoryReader& reader) : reader_(reader) {}

  void Read() {
    for (const auto& [path, text] : reader_.files) ReadFile(path, text);
    for (auto& [id, node] : nodes_) {
      if (!node.migration.up.file.empty()) continue;
      reader_.Refuse(node.folder, 0, "IMPORT_UP_MISSING", "the folder has no up.sql");
    }
    for (const auto& [id, node] : nodes_) {
      for (const std::string& parent : node.metadata.parents) {
        if (nodes_.contains(parent)) continue;
        reader_.Refuse(node.folder + "/metadata.yaml", 0, "IMPORT_PARENT_MISSING",
                       "parent " + parent + " is not in the folder");
      }
    }
    Order();
  }

 private:
  struct Node {
    std::string folder;
    SourceMigration migration;
    Metadata metadata;
  };
  struct ByNumber {
    bool operator()(const std::string& a, const std::string& b) const {
      const int order = CompareNumbers(a, b);
      return order != 0 ? order < 0 : a < b;
    }
  };

  void ReadFile(const std::string& path, const std::string& text) {
    const std::size_t slash = path.find('/');
    const std::string folder = path.substr(0, slash);
    const std::string file = slash == std::string::npos ? std::string() : path.substr(slash + 1);
    const std::size_t digits = LeadingDigits(folder);
    const bool is_named = digits > 0 && (digits == folder.size() || folder[digits] == '_');
    if (!is_named || (file != "up.sql" && file != "down.sql" && file != "metadata.yaml")) {
      reader_.Ignore(path);
      return;
    }
    Node& node = nodes_[folder.substr(0, digits)];
    if (!node.folder.empty() && node.folder != folder) {
      reader_.Refuse(path, 0, "IMPORT_DUPLICATE_VERSION",
                     "id " + folder.substr(0, digits) + " is also that of " + node.folder);
      return;
    }
    node.folder = folder;
    if (file == "up.sql") node.migration.up = {.file = path, .text = text};
    if (file == "down.sql") node.migration.down = {.file = path, .text = text};
    if (file == "metadata.yaml") node.metadata = ReadMetadata(text);
  }

  // Parents first; of those that could come next the one with the smallest id.
  void Order() {
    std::set<std::string, ByNumber> done;
    while (done.size() < nodes_.size()) {
      const auto next = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& entry) {
        return !done.contains(entry.first) &&
               std::all_of(entry.second.metadata.parents.begin(),
                           entry.second.metadata.parents.end(), [&](const std::string& parent) {
                             return done.contains(parent) || !nodes_.contains(parent);
                           });
      });
      if (next == nodes_.end()) {
        reader_.Refuse("", 0, "IMPORT_CYCLE", "the parents of the migrations form a circle");
        return;
      }
      done.insert(next->first);
      Node& node = next->second;
      SourceMigration& migration = node.migration;
      if (migration.up.file.empty()) continue;
      migration.version = next->first;
      migration.name = node.metadata.name;
      if (migration.name.empty() && node.folder.size() > next->first.size()) {
        migration.name = node.folder.substr(next->first.size() + 1);
      }
      migration.is_privileged = node.metadata.is_privileged;
      reader_.history.migrations.push_back(std::move(migration));
    }
  }

  const HistoryReader& reader_;
  std::map<std::string, Node, ByNumber> nodes_;
};

}  // namespace

void ReadSourcegraph(const HistoryReader& reader) { SourcegraphReader(reader).Read(); }

}  // namespace lockstep::migration
