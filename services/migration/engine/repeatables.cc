#include "services/migration/engine/repeatables.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "services/migration/engine/files.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".sql";

bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
  });
}

std::vector<std::string> FilesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (!name.empty() && name[0] != '.') names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

using Positions = std::map<std::string, std::size_t>;  // by Repeatable::key()

// Depth first, in the order of keys, so that the result depends on nothing else.
class Sorter {
 public:
  Sorter(const std::vector<ReadRepeatableResult>& read, const Positions& positions,
         std::vector<Problem>& problems)
      : read_(read), positions_(positions), problems_(problems), states_(read.size()) {}

  std::vector<std::size_t> Sort() {
    for (const auto& [key, position] : positions_) Visit(position);
    return std::move(order_);
  }

 private:
  enum class State { kNew, kOpen, kDone };

  void Visit(std::size_t position) {
    if (states_[position] == State::kDone) return;
    if (states_[position] == State::kOpen) {
      TellCycle(position);
      return;
    }
    states_[position] = State::kOpen;
    path_.push_back(position);
    for (const std::string& key : read_[position].repeatable.after) {
      const auto needed = positions_.find(key);
      if (needed != positions_.end()) Visit(needed->second);
    }
    path_.pop_back();
    states_[position] = State::kDone;
    order_.push_back(position);
  }

  void TellCycle(std::size_t position) {
    std::string cycle;
    for (auto it = std::ranges::find(path_, position); it != path_.end(); ++it) {
      cycle += read_[*it].repeatable.key() + " -> ";
    }
    const Repeatable& repeatable = read_[position].repeatable;
    problems_.push_back({repeatable.script.file, read_[position].after_line, 0, "REPEATABLE_CYCLE",
                         "repeatable definitions need each other: " + cycle + repeatable.key() +
                             "; no order could apply them"});
  }

  const std::vector<ReadRepeatableResult>& read_;
  const Positions& positions_;
  std::vector<Problem>& problems_;
  std::vector<State> states_;
  std::vector<std::size_t> path_;
  std::vector<std::size_t> order_;
};

// Which definition creates an object of this name; overloads may be in several files.
std::multimap<std::string, std::string> Creators(const std::vector<ReadRepeatableResult>& read,
                                                 std::vector<Problem>& problems) {
  std::multimap<std::string, std::string> creators;
  std::map<std::string, std::string> owners;  // by identity
  for (const ReadRepeatableResult& entry : read) {
    for (const RepeatableObject& object : entry.repeatable.objects) {
      creators.emplace(object.name, entry.repeatable.key());
      const auto [owner, is_new] = owners.emplace(object.identity, entry.repeatable.key());
      if (is_new || owner->second == entry.repeatable.key()) continue;
      problems.push_back({entry.repeatable.script.file, 0, 0, "REPEATABLE_OBJECT_TWICE",
                          object.identity + " is created by " + owner->second +
                              " as well; an object belongs into one file"});
    }
  }
  return creators;
}

}  // namespace

std::vector<Repeatable> OrderRepeatables(std::vector<ReadRepeatableResult> read,
                                         std::vector<Problem>& problems) {
  Positions positions;
  for (std::size_t i = 0; i < read.size(); ++i) positions[read[i].repeatable.key()] = i;
  const auto creators = Creators(read, problems);
  for (ReadRepeatableResult& entry : read) {
    Repeatable& repeatable = entry.repeatable;
    for (const std::string& key : repeatable.after) {
      if (positions.contains(key)) continue;
      problems.push_back({repeatable.script.file, entry.after_line, 0, "REPEATABLE_UNKNOWN",
                          "after: there is no repeatable definition " + key});
    }
    std::set<std::string> after(repeatable.after.begin(), repeatable.after.end());
    for (const std::string& name : entry.uses) {
      const auto [begin, end] = creators.equal_range(name);
      for (auto it = begin; it != end; ++it) {
        // Another overload of what it creates itself.
        if (it->second != repeatable.key()) after.insert(it->second);
      }
    }
    repeatable.after.assign(after.begin(), after.end());
  }
  std::vector<Repeatable> ordered;
  for (const std::size_t position : Sorter(read, positions, problems).Sort()) {
    ordered.push_back(read[position].repeatable);
  }
  return ordered;
}

std::vector<Repeatable> LoadRepeatables(const std::string& root, std::vector<Problem>& problems) {
  std::vector<ReadRepeatableResult> read;
  for (const std::string_view service : Services()) {
    const std::string folder = std::string(service) + "/" + kRepeatableFolder;
    for (const std::string& file_name : FilesIn(fs::path(root) / folder)) {
      const std::string file = folder + "/" + file_name;
      if (!file_name.ends_with(kEnding)) continue;  // words for people
      const std::string name = file_name.substr(0, file_name.size() - kEnding.size());
      if (!IsName(name)) {
        problems.push_back({file, 0, 0, "REPEATABLE_NAME",
                            "a repeatable definition is named with a-z, 0-9 and _"});
        continue;
      }
      const auto text = ReadWholeFile(root + "/" + file);
      if (!text.has_value()) {
        problems.push_back({file, 0, 0, "FILE_MISSING", "the file cannot be read"});
        continue;
      }
      read.push_back(ReadRepeatable(service, name, file, *text, problems));
    }
  }
  return OrderRepeatables(std::move(read), problems);
}

void WarnOfSharedObjects(const Definitions& definitions, std::vector<Problem>& warnings) {
  if (definitions.repeatables.empty()) return;
  std::map<std::string, const Repeatable*> owners;
  for (const Repeatable& repeatable : definitions.repeatables) {
    for (const RepeatableObject& object : repeatable.objects) {
      owners[object.identity] = &repeatable;
    }
  }
  std::set<std::string> released;
  for (const Release& release : definitions.releases) {
    released.insert(release.revisions.begin(), release.revisions.end());
  }
  for (const Revision& revision : definitions.revisions) {
    if (released.contains(revision.id)) continue;
    for (const Step& step : revision.steps) {
      for (const RepeatableObject& object : CreatedObjects(step.up)) {
        const auto owner = owners.find(object.identity);
        if (owner == owners.end()) continue;
        warnings.push_back({step.up.file, 0, 0, "DEFINED_BY_REPEATABLE",
                            object.identity + " is defined by repeatable " + owner->second->key() +
                                " as well, which is applied after the revisions"});
      }
    }
  }
}

}  // namespace lockstep::migration
