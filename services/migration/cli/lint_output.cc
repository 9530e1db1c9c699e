#include "services/migration/cli/lint_output.h"

#include <map>
#include <set>
#include <string>

namespace lockstep::cli {
namespace {

namespace pb = lockstep::migration::v1;

std::string LevelText(pb::LintLevel level, const Output& output) {
  if (level == pb::LINT_LEVEL_ERROR) return output.Paint("error", Colour::kRed);
  if (level == pb::LINT_LEVEL_WARNING) return output.Paint("warning", Colour::kYellow);
  return output.Paint("note", Colour::kDim);
}

std::string PlaceOf(const pb::LintFinding& finding) {
  std::string place = finding.file();
  if (finding.line() > 0) place += ":" + std::to_string(finding.line());
  if (finding.column() > 0) place += ":" + std::to_string(finding.column());
  return place;
}

std::string Counted(int count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

void ShowFindings(const LintFindings& findings, pb::LintLevel least, const Output& output) {
  std::set<std::string> told;
  for (const pb::LintFinding& finding : findings) {
    if (finding.level() < least || !finding.suppressed_because().empty()) continue;
    output.Line(PlaceOf(finding) + ": " + LevelText(finding.level(), output) + " " +
                output.Paint(finding.rule(), Colour::kBold) + " " + finding.rule_name() + ": " +
                finding.message());
    if (told.insert(finding.rule()).second) {
      output.Line(output.Paint("  instead: " + finding.safe_form(), Colour::kDim));
    }
  }
}

std::string CountText(const LintFindings& findings) {
  std::map<pb::LintLevel, int> counts;
  int allowed = 0;
  for (const pb::LintFinding& finding : findings) {
    if (finding.suppressed_because().empty()) {
      ++counts[finding.level()];
    } else {
      ++allowed;
    }
  }
  std::string text = Counted(counts[pb::LINT_LEVEL_ERROR], "error") + ", " +
                     Counted(counts[pb::LINT_LEVEL_WARNING], "warning") + ", " +
                     Counted(counts[pb::LINT_LEVEL_NOTE], "note");
  if (allowed > 0) text += ", " + std::to_string(allowed) + " allowed";
  return text;
}

}  // namespace lockstep::cli
