// Every rule has a page, and every example of a page is true.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "services/migration/engine/lint/rule_page.h"
#include "tests/unit/services/migration/lint/page_example.h"

namespace lockstep::migration {
namespace {

std::string Describe(const LintReport& report) {
  std::string text;
  for (const LintFinding& finding : report.findings) {
    text += "  " + finding.rule + " " + std::string(ToText(finding.level)) + " line " +
            std::to_string(finding.line) + ": " + finding.message +
            (finding.suppressed_because.empty() ? "" : " (suppressed)") + "\n";
  }
  return text.empty() ? "  nothing\n" : text;
}

bool Reports(const LintReport& report, std::string_view rule) {
  return std::any_of(report.findings.begin(), report.findings.end(), [&](const auto& finding) {
    return finding.rule == rule && finding.suppressed_because.empty();
  });
}

// Rules that no SQL shows: they are about the ledger, the clock, or who is connected.
bool IsAboutTheMoment(std::string_view rule) {
  return std::set<std::string_view>{"M03", "M10", "M11", "N19"}.contains(rule);
}

TEST(RulePages, HaveAPageForEveryRule) {
  std::set<std::string> expected;
  const auto add = [&](char family, int last) {
    for (int number = 1; number <= last; ++number) {
      expected.insert(std::string(1, family) + (number < 10 ? "0" : "") + std::to_string(number));
    }
  };
  add('L', 43);
  add('N', 20);
  add('M', 11);
  std::set<std::string> found;
  for (const RulePage& page : RulePages()) found.insert(std::string(page.id));
  EXPECT_EQ(found, expected);
}

TEST(RulePages, SayEverythingThatAReportNeeds) {
  std::set<std::string_view> names;
  for (const RulePage& page : RulePages()) {
    EXPECT_TRUE(names.insert(page.name).second) << page.id << " repeats " << page.name;
    EXPECT_FALSE(page.title.empty()) << page.id;
    EXPECT_FALSE(page.hazard.empty()) << page.id;
    EXPECT_FALSE(page.lock.empty()) << page.id;
    EXPECT_FALSE(page.safe_form.empty()) << page.id;
    EXPECT_FALSE(page.not_reported.empty()) << page.id;
  }
}

TEST(RulePages, ShowEachRuleReportedAndNotReported) {
  for (const RulePage& page : RulePages()) {
    if (IsAboutTheMoment(page.id)) continue;
    const std::vector<PageExample> examples = ExamplesOf(page.markdown);
    const auto reported = std::count_if(examples.begin(), examples.end(),
                                        [](const auto& example) { return example.is_reported; });
    EXPECT_GE(reported, 1) << page.id;
    EXPECT_GE(static_cast<std::ptrdiff_t>(examples.size()) - reported, 1) << page.id;
  }
}

class PageExamples : public testing::TestWithParam<std::string> {};

TEST_P(PageExamples, AreTrue) {
  const RulePage& page = *FindRule(GetParam());
  for (const PageExample& example : ExamplesOf(page.markdown)) {
    const LintReport report = LintExample(example);
    EXPECT_EQ(Reports(report, page.id), example.is_reported)
        << RulePagePath(page.id) << ":" << example.line << "\n"
        << example.sql << "found:\n"
        << Describe(report);
  }
}

std::vector<std::string> AllRules() {
  std::vector<std::string> rules;
  for (const RulePage& page : RulePages()) rules.emplace_back(page.id);
  return rules;
}

INSTANTIATE_TEST_SUITE_P(Rules, PageExamples, testing::ValuesIn(AllRules()),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace lockstep::migration
