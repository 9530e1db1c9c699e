// The SQL blocks of the pages in docs/lint as examples that can be looked at.
//
// The words after ```sql say in which context a block stands; docs/lint/README.md lists them.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/lint/lint.h"

namespace lockstep::migration {

struct PageExample {
  bool is_reported = false;        // it stands under "## Reported"
  std::vector<std::string> words;  // "kind=revision", "connected"
  std::string sql;
  std::string there;  // what exists before it; "" = nothing is known
  int line = 0;       // of the page

  bool Has(std::string_view word) const;
  // Of "word=value"; `otherwise` when it is not there.
  std::string Value(std::string_view word, std::string_view otherwise) const;
};

std::vector<PageExample> ExamplesOf(std::string_view markdown);

// What the linter says about the example.
LintReport LintExample(const PageExample& example);

}  // namespace lockstep::migration
