# Writes the pages of FOLDER into OUTPUT, as an array of texts.
file(GLOB pages "${FOLDER}/[LMN][0-9][0-9].md")
list(SORT pages)
set(text "#pragma once\n\n#include <string_view>\n\nnamespace lockstep::migration {\n\n")
string(APPEND text "inline constexpr std::string_view kRuleTexts[] = {\n")
foreach(page IN LISTS pages)
  # A list would take the page's semicolons for separators.
  file(READ "${page}" content)
  string(APPEND text "R\"rule_page(${content})rule_page\",\n")
endforeach()
string(APPEND text "};\n\n}  // namespace lockstep::migration\n")
file(WRITE "${OUTPUT}" "${text}")
