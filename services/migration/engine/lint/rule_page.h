// The pages of the lint rules, docs/lint/*.md, as the binary carries them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::migration {

// The rules' own words. All views are valid until the program ends.
struct RulePage {
  std::string_view id;            // "L01"
  std::string_view name;          // "index-not-concurrent"
  std::string_view title;         // "an index is built while writers wait"
  std::string_view hazard;        // what goes wrong
  std::string_view lock;          // what PostgreSQL takes
  std::string_view safe_form;     // what to write instead
  std::string_view not_reported;  // what is exempt
  std::string_view markdown;      // the whole page
};

// Sorted by id.
const std::vector<RulePage>& RulePages();

// nullptr: there is no such rule. The id may be in lower case; a name is understood as well.
const RulePage* FindRule(std::string_view id_or_name);

// Where a page stands, from the root of the repository: "docs/lint/L01.md".
std::string RulePagePath(std::string_view id);

}  // namespace lockstep::migration
