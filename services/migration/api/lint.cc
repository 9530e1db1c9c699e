#include "services/migration/api/lint.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"
#include "services/migration/engine/lint/rule_page.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

constexpr int kMaxFiles = 1'000;
constexpr std::size_t kMaxFileBytes = 1 << 20;

v1::LintLevel ToProto(LintLevel level) {
  if (level == LintLevel::kError) return v1::LINT_LEVEL_ERROR;
  return level == LintLevel::kWarning ? v1::LINT_LEVEL_WARNING : v1::LINT_LEVEL_NOTE;
}

absl::StatusOr<std::vector<Script>> ReadFiles(const v1::LintRequest& request) {
  if (request.files_size() > kMaxFiles) {
    return InvalidField("files", "LINT_FILE_INVALID", "at most 1,000 files");
  }
  std::vector<Script> scripts;
  for (int i = 0; i < request.files_size(); ++i) {
    const v1::LintFile& file = request.files(i);
    const std::string path = absl::StrCat("files[", i, "].content");
    if (file.content().size() > kMaxFileBytes) {
      return InvalidField(path, "LINT_FILE_INVALID", "at most 1 MB");
    }
    absl::StatusOr<Script> script = ReadScript(file.name(), file.content());
    if (!script.ok()) return InvalidField(path, "LINT_FILE_INVALID", MessageOf(script.status()));
    scripts.push_back(*std::move(script));
  }
  return scripts;
}

}  // namespace

v1::LintFinding ToProto(const LintFinding& finding) {
  const RulePage& page = *FindRule(finding.rule);
  v1::LintFinding message;
  message.set_rule(finding.rule);
  message.set_rule_name(std::string(page.name));
  message.set_level(ToProto(finding.level));
  message.set_file(finding.file);
  message.set_line(finding.line);
  message.set_column(finding.column);
  message.set_revision(finding.revision);
  message.set_step(finding.step);
  message.set_object(finding.object);
  message.set_message(finding.message);
  message.set_lock(std::string(page.lock));
  message.set_safe_form(std::string(page.safe_form));
  message.set_is_forbidden(finding.is_forbidden);
  message.set_suppressed_because(finding.suppressed_because);
  return message;
}

v1::LintResponse ToProto(const LintReport& report) {
  v1::LintResponse message;
  for (const LintFinding& finding : report.findings) *message.add_findings() = ToProto(finding);
  message.set_statement_count(report.statements);
  message.set_unreadable_file_count(report.unreadable_files);
  return message;
}

PlainFiles FromProto(v1::PlainFiles plain_files) {
  if (plain_files == v1::PLAIN_FILES_INSIDE_TRANSACTION) return PlainFiles::kInside;
  return plain_files == v1::PLAIN_FILES_ALONE ? PlainFiles::kAlone : PlainFiles::kAsTheySay;
}

absl::StatusOr<v1::LintResponse> Api::Lint(const Context& context, const v1::LintRequest& request) {
  if (request.files().empty()) {
    const std::string target = request.target().empty() ? "head" : request.target();
    const absl::StatusOr<LintReport> report = engine_.LintUpgrade(context, target);
    if (!report.ok()) return AtField(report.status(), "target");
    return ToProto(*report);
  }
  if (!request.target().empty()) {
    return InvalidField("target", "LINT_TARGET_AND_FILES",
                        "either a target or files: leave one of them empty");
  }
  ASSIGN_OR_RETURN(const std::vector<Script> scripts, ReadFiles(request));
  ASSIGN_OR_RETURN(const LintReport report,
                   engine_.LintScripts(context, scripts, FromProto(request.plain_files())));
  return ToProto(report);
}

}  // namespace lockstep::migration
