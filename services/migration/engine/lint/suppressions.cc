#include "services/migration/engine/lint/suppressions.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/migration/engine/lint/line_index.h"
#include "services/migration/engine/lint/rule_page.h"

namespace lockstep::migration {
namespace {

constexpr std::string_view kMark = "lint: allow ";

// The next word of `rest`, which is shortened by it.
std::string NextWord(std::string_view& rest) {
  const std::size_t begin = std::min(rest.find_first_not_of(' '), rest.size());
  const std::size_t end = std::min(rest.find(' ', begin), rest.size());
  std::string word(rest.substr(begin, end - begin));
  rest.remove_prefix(end);
  return word;
}

bool IsDay(std::string_view text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' &&
         text.find_first_not_of("0123456789-") == std::string_view::npos;
}

InlineSuppression Parse(std::string_view rest) {
  InlineSuppression read;
  read.rule = NextWord(rest);
  std::string word = NextWord(rest);
  if (word == "until") {
    read.until = NextWord(rest);
    word = NextWord(rest);
  }
  const std::size_t begin = rest.find_first_not_of(' ');
  if (begin != std::string_view::npos) read.reason = rest.substr(begin);
  if (FindRule(read.rule) == nullptr) {
    read.problem = absl::StrCat("there is no rule ", read.rule);
  } else if (!read.until.empty() && !IsDay(read.until)) {
    read.problem = absl::StrCat("\"until ", read.until, "\" is no day, YYYY-MM-DD");
  } else if (word != "because" || read.reason.empty()) {
    read.problem = absl::StrCat("it has no reason: -- lint: allow ", read.rule, " because ...");
  }
  return read;
}

bool IsOver(std::string_view until, const LintOptions& options) {
  return !until.empty() && !options.today.empty() && until < options.today;
}

LintFinding About(std::string_view file, int line, std::string message) {
  LintFinding finding;
  finding.rule = "M09";
  finding.level = LintLevel::kWarning;
  finding.file = file;
  finding.line = line;
  finding.message = std::move(message);
  return finding;
}

// "" = it counts and was needed.
std::string Complaint(std::string_view rule, std::string_view until, const std::string& problem,
                      const LintOptions& options, bool was_needed) {
  if (!problem.empty()) return absl::StrCat("this suppression does not count: ", problem);
  if (IsOver(until, options)) {
    return absl::StrCat("the suppression of ", std::string(rule), " ended on ", std::string(until));
  }
  if (was_needed || !options.tells_unused) return "";
  return absl::StrCat("the suppression of ", std::string(rule), " allows nothing: take it away");
}

}  // namespace

std::vector<InlineSuppression> ReadSuppressions(const std::string& text,
                                                const std::vector<Token>& tokens,
                                                const std::vector<Statement>& statements) {
  std::vector<InlineSuppression> found;
  if (text.find(kMark) == std::string::npos) return found;
  const LineIndex lines(text);
  for (const Token& token : tokens) {
    if (!token.is_comment) continue;
    const std::string_view comment =
        std::string_view(text).substr(token.begin, token.end - token.begin);
    const std::size_t mark = comment.find_first_not_of("- ");
    if (!comment.starts_with("--") || mark == std::string_view::npos ||
        !comment.substr(mark).starts_with(kMark)) {
      continue;
    }
    InlineSuppression& read = found.emplace_back(Parse(comment.substr(mark + kMark.size())));
    read.line = lines.LineOf(token.begin);
    // The statement around the comment, or the one after it.
    const auto about =
        std::find_if(statements.begin(), statements.end(),
                     [&](const Statement& statement) { return statement.end > token.begin; });
    if (about == statements.end()) {
      if (read.problem.empty()) read.problem = "no statement follows it";
      continue;
    }
    read.begin = about->begin;
    read.end = about->end;
  }
  return found;
}

void ApplySuppressions(const std::vector<InlineSuppression>& inlined, const std::string& file,
                       const LintOptions& options, std::vector<LintFinding>& findings) {
  std::vector<LintFinding> complaints;
  for (const InlineSuppression& allowed : inlined) {
    bool was_needed = false;
    const RulePage* const page = FindRule(allowed.rule);
    const bool counts = allowed.problem.empty() && !IsOver(allowed.until, options);
    for (LintFinding& finding : findings) {
      if (!counts || finding.file != file || finding.rule != page->id || finding.line == 0 ||
          finding.offset < allowed.begin || finding.offset > allowed.end) {
        continue;
      }
      finding.suppressed_because = allowed.reason;
      finding.is_forbidden = false;
      was_needed = true;
    }
    std::string complaint =
        Complaint(allowed.rule, allowed.until, allowed.problem, options, was_needed);
    if (!complaint.empty()) complaints.push_back(About(file, allowed.line, std::move(complaint)));
  }
  std::move(complaints.begin(), complaints.end(), std::back_inserter(findings));
}

void ApplySuppressions(const Revision& revision, const LintOptions& options,
                       std::vector<LintFinding>& findings) {
  std::vector<LintFinding> complaints;
  for (const LintSuppression& allowed : revision.suppressions) {
    const RulePage* const page = FindRule(allowed.rule);
    const std::string problem =
        page == nullptr ? absl::StrCat("there is no rule ", allowed.rule) : "";
    bool was_needed = false;
    const bool counts = page != nullptr && !IsOver(allowed.expires, options);
    for (LintFinding& finding : findings) {
      if (!counts || finding.revision != revision.id || finding.rule != page->id) continue;
      finding.suppressed_because = allowed.reason;
      finding.is_forbidden = false;
      was_needed = true;
    }
    std::string complaint = Complaint(allowed.rule, allowed.expires, problem, options, was_needed);
    if (complaint.empty()) continue;
    LintFinding& finding = complaints.emplace_back(
        About(revision.folder + "/revision.textproto", 0, std::move(complaint)));
    finding.revision = revision.id;
  }
  std::move(complaints.begin(), complaints.end(), std::back_inserter(findings));
}

}  // namespace lockstep::migration
