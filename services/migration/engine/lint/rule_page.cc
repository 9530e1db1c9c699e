#include "services/migration/engine/lint/rule_page.h"

#include <algorithm>
#include <cctype>

#include "services/migration/engine/lint/rule_texts.h"

namespace lockstep::migration {
namespace {

// The rest of the line that begins with `label`; "" = there is none.
std::string_view Labelled(std::string_view page, std::string_view label) {
  const std::size_t at = page.find(label);
  if (at == std::string_view::npos) return "";
  const std::size_t begin = at + label.size();
  return page.substr(begin, page.find('\n', begin) - begin);
}

// "# L01 index-not-concurrent: an index is built while writers wait" and the labelled lines.
RulePage Parse(std::string_view page) {
  RulePage rule;
  rule.markdown = page;
  const std::string_view title = page.substr(0, page.find('\n'));
  const std::size_t name = title.find(' ', 2) + 1;
  const std::size_t colon = title.find(": ");
  rule.id = title.substr(2, name - 3);
  rule.name = title.substr(name, colon - name);
  rule.title = title.substr(colon + 2);
  rule.hazard = Labelled(page, "\n**Hazard:** ");
  rule.lock = Labelled(page, "\n**Lock:** ");
  rule.safe_form = Labelled(page, "\n**Safe form:** ");
  rule.not_reported = Labelled(page, "\n**Not reported:** ");
  return rule;
}

}  // namespace

const std::vector<RulePage>& RulePages() {
  static const std::vector<RulePage> pages = [] {
    std::vector<RulePage> all;
    for (const std::string_view text : kRuleTexts) all.push_back(Parse(text));
    std::sort(all.begin(), all.end(),
              [](const RulePage& a, const RulePage& b) { return a.id < b.id; });
    return all;
  }();
  return pages;
}

const RulePage* FindRule(std::string_view id_or_name) {
  std::string id(id_or_name);
  std::transform(id.begin(), id.end(), id.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const RulePage& rule : RulePages()) {
    if (rule.id == id || rule.name == id_or_name) return &rule;
  }
  return nullptr;
}

std::string RulePagePath(std::string_view id) { return "docs/lint/" + std::string(id) + ".md"; }

}  // namespace lockstep::migration
