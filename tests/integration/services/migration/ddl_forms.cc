#include "tests/integration/services/migration/ddl_forms.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace lockstep::migration {
namespace {

constexpr std::string_view kSchema = "f.";

[[noreturn]] void Refuse(const std::string& path, int line, const std::string& what) {
  throw std::runtime_error(path + ":" + std::to_string(line) + ": " + what);
}

FormCost CostOfCells(const std::vector<std::string>& cells, std::size_t from) {
  return {.locks = cells[from], .rewritten = cells[from + 1], .scanned = cells[from + 2]};
}

std::string Joined(const std::vector<std::string>& parts) {
  return parts.empty() ? "-" : absl::StrJoin(parts, ", ");
}

}  // namespace

std::vector<DdlForm> ReadForms(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<DdlForm> forms;
  std::string text;
  for (int line = 1; std::getline(file, text); ++line) {
    if (text.empty() || text.starts_with("#")) continue;
    const bool is_version = text.starts_with("  on ");
    const std::vector<std::string> cells = absl::StrSplit(text, " | ");
    if (cells.size() != 4) Refuse(path, line, "4 cells between ' | ' are wanted");
    if (is_version) {
      if (forms.empty()) Refuse(path, line, "a version needs a form above it");
      // "  on 14, 15"
      for (const std::string& major :
           std::vector<std::string>(absl::StrSplit(cells[0].substr(5), ", "))) {
        forms.back().other_versions[std::stoi(major)] = CostOfCells(cells, 1);
      }
      continue;
    }
    DdlForm& form = forms.emplace_back();
    form.line = line;
    form.cost = CostOfCells(cells, 1);
    // "alone while SELECT ..., SELECT ...: statement"
    form.statement = cells[0];
    if (!form.statement.starts_with("alone while ")) continue;
    const std::size_t colon = form.statement.find(": ");
    if (colon == std::string::npos) Refuse(path, line, "'alone while ...: ' needs a statement");
    form.is_alone = true;
    form.held = absl::StrSplit(form.statement.substr(12, colon - 12), "; ");
    form.statement = form.statement.substr(colon + 2);
  }
  return forms;
}

FormCost CostOf(const std::vector<RelationCost>& relations,
                const std::map<std::string, int>& rows) {
  std::vector<std::string> locks;
  std::vector<std::string> rewritten;
  std::vector<std::string> scanned;
  std::optional<LockMode> of_indexes;
  bool has_new_indexes = false;
  for (const RelationCost& each : relations) {
    if (!each.relation.starts_with(kSchema)) continue;
    const std::string name = each.relation.substr(kSchema.size());
    if (each.is_index) {
      if (each.mode.has_value()) of_indexes = std::max(of_indexes.value_or(*each.mode), *each.mode);
      has_new_indexes = has_new_indexes || each.is_rewritten;
      continue;
    }
    if (each.mode.has_value()) locks.push_back(name + " " + std::string(ShortName(*each.mode)));
    if (each.is_rewritten) rewritten.push_back(name);
    const auto there = rows.find(each.relation);
    if (there != rows.end() && there->second > 0 && each.rows_read >= there->second) {
      scanned.push_back(name);
    }
  }
  if (of_indexes.has_value()) locks.push_back("indexes " + std::string(ShortName(*of_indexes)));
  if (has_new_indexes) rewritten.push_back("indexes");
  return {.locks = Joined(locks), .rewritten = Joined(rewritten), .scanned = Joined(scanned)};
}

std::string_view ShortName(LockMode mode) {
  constexpr std::array<std::string_view, 8> kNames = {"AS", "RS",  "RE", "SUE",
                                                      "S",  "SRE", "EX", "AEL"};
  return kNames[static_cast<std::size_t>(mode) - 1];
}

}  // namespace lockstep::migration
