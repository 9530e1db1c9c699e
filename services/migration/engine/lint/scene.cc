#include "services/migration/engine/lint/scene.h"

#include "absl/strings/str_cat.h"

namespace lockstep::migration {

std::string RowsText(const SchemaModel& model, std::string_view table) {
  const ModelTable* const found = model.Find(table);
  if (found == nullptr || !found->rows.has_value()) return "an unknown number of rows";
  std::string digits = std::to_string(*found->rows);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return "about " + digits + " rows";
}

void Scene::ReportAt(std::size_t offset, std::string_view rule, LintLevel level,
                     std::string_view object, std::string message) {
  offset = std::min(offset, unit_.script->text.size());
  LintFinding finding;
  finding.rule = rule;
  finding.level = level;
  finding.file = unit_.script->file;
  finding.offset = offset;
  finding.line = lines_.LineOf(offset);
  finding.column = lines_.ColumnOf(offset);
  if (unit_.revision != nullptr) finding.revision = unit_.revision->id;
  if (unit_.step != nullptr) finding.step = unit_.step->ordinal;
  finding.object = object;
  finding.message = std::move(message);
  const auto same = [&](const LintFinding& have) {
    return have.rule == finding.rule && have.file == finding.file &&
           have.offset == finding.offset && have.object == finding.object &&
           have.message == finding.message;
  };
  // One place can be reached on two ways through a statement; those stand close together.
  const auto near =
      findings_.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(findings_.size(), 32));
  if (std::none_of(near, findings_.end(), same)) {
    findings_.push_back(std::move(finding));
  }
}

void Scene::Report(std::string_view rule, LintLevel level, std::string_view object,
                   std::string message, TreeNode at) {
  const auto begin = static_cast<long long>(statement_->begin);
  const long long place = std::max(at["location"].Number(begin), begin);
  ReportAt(static_cast<std::size_t>(place), rule, level, object, std::move(message));
}

void Scene::ReportWork(std::string_view rule, std::string_view table, std::string message,
                       TreeNode at) {
  const ModelTable* const found = model_.Find(table);
  const bool knows_rows = found != nullptr && found->rows.has_value();
  if (knows_rows) message += " (" + RowsText(model_, table) + ")";
  const bool is_small = IsSmall(table);
  const std::size_t before = findings_.size();
  Report(rule, is_small ? LintLevel::kNote : LintLevel::kError, table, std::move(message), at);
  if (findings_.size() == before) return;
  findings_.back().is_forbidden = knows_rows && !is_small;
  if (knows_rows) findings_.back().rows = *found->rows;
}

}  // namespace lockstep::migration
