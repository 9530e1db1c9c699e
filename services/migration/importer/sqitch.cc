// sqitch.plan with deploy/, revert/ and verify/ beside it; the plan is the order.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

struct Change {
  std::string name;
  std::vector<std::string> requires_changes;
  std::vector<std::string> tags;
  int line = 1;
};

class SqitchReader {
 public:
  explicit SqitchReader(const HistoryReader& reader) : reader_(reader) {}

  void Read() {
    for (const auto& [path, text] : reader_.files) {
      if (BaseName(path) == "sqitch.plan") plans_.push_back(path);
    }
    if (plans_.size() != 1) {
      reader_.Refuse("sqitch.plan", 0, "IMPORT_PLAN_MISSING",
                     plans_.empty() ? "the folder has no sqitch.plan"
                                    : "the folder has several plans; import one project at a time");
      return;
    }
    plan_ = plans_[0];
    base_ = plan_.substr(0, plan_.size() - BaseName(plan_).size());
    for (const SourceLine& line : LinesOf(reader_.files.at(plan_))) ReadLine(line);
    for (std::size_t i = 0; i < changes_.size(); ++i) Add(i);
    for (const auto& [path, text] : reader_.files) {
      if (used_.contains(path) || path == plan_) continue;
      const bool is_verify = path.starts_with(base_ + "verify/");
      if (is_verify) {
        ++verifies_;
      } else {
        reader_.Ignore(path);
      }
    }
    if (verifies_ > 0) {
      reader_.Note(base_ + "verify", 0, "IMPORT_VERIFY_LEFT_OUT",
                   std::to_string(verifies_) +
                       " verify scripts are not carried over: they fail where ours return rows");
    }
  }

 private:
  // "name [requires] time planner <mail> # note", "@tag ...", "%pragma=value".
  void ReadLine(const SourceLine& line) {
    std::string_view text = Trimmed(line.text.substr(0, line.text.find('#')));
    if (text.empty() || text[0] == '%') return;
    if (text[0] == '-') {
      reader_.Refuse(plan_, line.number, "IMPORT_PLAN_INVALID",
                     "the plan takes a change back; take both lines out of it");
      return;
    }
    if (text[0] == '+') text = Trimmed(text.substr(1));
    const std::size_t end = std::min(text.find_first_of(" \t["), text.size());
    const std::string word(text.substr(0, end));
    if (word[0] == '@') {
      if (changes_.empty()) {
        reader_.Refuse(plan_, line.number, "IMPORT_PLAN_INVALID", "a tag before the first change");
      } else {
        changes_.back().tags.push_back(word.substr(1));
      }
      return;
    }
    Change change{.name = word, .requires_changes = {}, .tags = {}, .line = line.number};
    const std::string_view rest = Trimmed(text.substr(end));
    const std::size_t close = rest.find(']');
    if (rest.starts_with("[") && close != std::string_view::npos) {
      ReadRequires(rest.substr(1, close - 1), change);
    }
    changes_.push_back(std::move(change));
  }

  void ReadRequires(std::string_view list, Change& change) {
    while (!Trimmed(list).empty()) {
      list = Trimmed(list);
      const std::size_t end = std::min(list.find_first_of(" \t"), list.size());
      const std::string name(list.substr(0, end));
      list.remove_prefix(end);
      if (name[0] == '!') {
        reader_.Note(
            plan_, change.line, "IMPORT_CONFLICT_LEFT_OUT",
            "conflict " + name + " of " + change.name + " is not carried over: the order is fixed");
      } else if (name.find(':') != std::string::npos) {
        reader_.Note(plan_, change.line, "IMPORT_OTHER_PROJECT",
                     change.name + " needs " + name +
                         " of another project: import that one first, or name its revision under "
                         "depends_on");
      } else {
        change.requires_changes.push_back(name);
      }
    }
  }

  // A change that is reworked later keeps its first scripts under the tag before the rework.
  std::string TagOfRework(std::size_t at) const {
    std::optional<std::string> tag;
    for (std::size_t i = at; i < changes_.size(); ++i) {
      if (i > at && changes_[i].name == changes_[at].name) return tag.value_or("");
      if (!tag.has_value() && !changes_[i].tags.empty()) tag = changes_[i].tags.back();
    }
    return "";
  }

  void Add(std::size_t at) {
    const Change& change = changes_[at];
    for (const std::string& name : change.requires_changes) {
      const std::string bare = name.substr(0, name.find('@'));
      const bool is_there =
          bare.empty() ||
          std::any_of(changes_.begin(), changes_.begin() + static_cast<std::ptrdiff_t>(at),
                      [&](const Change& other) { return other.name == bare; });
      if (!is_there) {
        reader_.Refuse(plan_, change.line, "IMPORT_PLAN_INVALID",
                       change.name + " requires " + name + ", which is not before it");
      }
    }
    const std::string tag = TagOfRework(at);
    const std::string script = change.name + (tag.empty() ? "" : "@" + tag);
    SourceMigration migration;
    migration.version = script;
    migration.name = script;
    migration.tags = change.tags;
    migration.up = Take("deploy/" + script + ".sql");
    migration.down = Take("revert/" + script + ".sql");
    if (migration.up.file.empty()) {
      reader_.Refuse(plan_, change.line, "IMPORT_UP_MISSING",
                     "there is no " + base_ + "deploy/" + script + ".sql");
      return;
    }
    reader_.history.migrations.push_back(std::move(migration));
  }

  SourceScript Take(const std::string& file) {
    const auto found = reader_.files.find(base_ + file);
    if (found == reader_.files.end()) return {};
    used_.insert(found->first);
    // Sqitch runs psql, which commits every statement that stands outside BEGIN and COMMIT.
    return {.file = found->first, .text = found->second, .in_transaction = false};
  }

  const HistoryReader& reader_;
  std::vector<std::string> plans_;
  std::string plan_;
  std::string base_;
  std::vector<Change> changes_;
  std::set<std::string> used_;
  int verifies_ = 0;
};

}  // namespace

void ReadSqitch(const HistoryReader& reader) { SqitchReader(reader).Read(); }

}  // namespace lockstep::migration
