#include "services/catalog/size.h"

#include <array>

#include "re2/re2.h"
#include "services/catalog/text.h"

namespace lockstep::catalog {
namespace {

enum class Number { kNone, kFirstGroup };

// One way to write a size. The whole text has to match, without regard to case; the first row wins.
struct Form {
  const char* pattern;
  const char* region;
  Number number;
};

#define LOCKSTEP_NUMBER "(\\d{1,2}(?:\\.\\d)?)"

constexpr std::array kForms = {
    // Shoes: a bare number is US (up to 22) or, from 34 on, European.
    Form{"(\\d(?:\\.\\d)?|1\\d(?:\\.\\d)?|2[0-2](?:\\.\\d)?)", "US", Number::kFirstGroup},
    Form{"(3[4-9](?:\\.\\d)?|4\\d(?:\\.\\d)?|5[0-4](?:\\.\\d)?)", "EU", Number::kFirstGroup},
    // Women, men, children (C, K), youth (Y), juniors (J): 7W, 6C, 4Y.
    Form{LOCKSTEP_NUMBER " ?(?:W|M|C|K|Y|J)", "US", Number::kFirstGroup},
    // Both scales of one shoe: 12W / 10.5M.
    Form{LOCKSTEP_NUMBER "[WM] ?/ ?\\d{1,2}(?:\\.\\d)?[WM]", "US", Number::kFirstGroup},
    // With the scale in front or behind.
    Form{"US ?(?:[MW] ?)?" LOCKSTEP_NUMBER "[WMCKYJ]?", "US", Number::kFirstGroup},
    Form{"UK ?" LOCKSTEP_NUMBER "[WMCKYJ]?", "UK", Number::kFirstGroup},
    Form{"EUR? ?" LOCKSTEP_NUMBER, "EU", Number::kFirstGroup},
    Form{"JP ?" LOCKSTEP_NUMBER, "JP", Number::kFirstGroup},
    Form{"KR ?(\\d{3})", "KR", Number::kFirstGroup},
    Form{"(?:CM ?)" LOCKSTEP_NUMBER, "CM", Number::kFirstGroup},
    Form{LOCKSTEP_NUMBER " ?CM", "CM", Number::kFirstGroup},
    // Clothes: letters, ranges of letters, and waist by length in inches.
    Form{"(?:\\d?X{0,4}[SL]|M|\\dX)(?: ?/ ?(?:\\d?X{0,4}[SL]|M|\\dX))?", "US", Number::kNone},
    Form{"(?:X{0,4}[SL]|M) ?/ ?(?:MEN|WOMEN)'?S? .+", "US", Number::kNone},
    Form{"\\d{2}W? ?[/X] ?\\d{2}L", "US", Number::kNone},
    // European ranges: 36/38.
    Form{"(?:3[4-9]|4\\d|5[0-4]) ?[/-] ?(?:3[4-9]|4\\d|5[0-4])", "EU", Number::kNone},
};

#undef LOCKSTEP_NUMBER

struct CompiledForm {
  RE2 regex;
  const Form& form;
};

const std::array<CompiledForm, kForms.size()>& CompiledForms() {
  static const auto& forms = *[] {
    RE2::Options options;
    options.set_case_sensitive(false);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return new std::array<CompiledForm, kForms.size()>{
          CompiledForm{RE2(kForms[I].pattern, options), kForms[I]}...};
    }
    (std::make_index_sequence<kForms.size()>());
  }();
  return forms;
}

// numeric(4,1).
std::string OneDecimal(const std::string& number) {
  return number.find('.') == std::string::npos ? number + ".0" : number;
}

bool MeansOneSize(std::string_view text) {
  return text.empty() || IsMissingMarker(text) || EqualsIgnoreCase(text, "one size") ||
         EqualsIgnoreCase(text, "os");
}

}  // namespace

ParsedSize ParseSize(std::string_view text) {
  const std::string value = CollapseSpace(text);
  if (MeansOneSize(value)) return {"One Size", "UNKNOWN", std::nullopt};
  for (const CompiledForm& compiled : CompiledForms()) {
    if (compiled.form.number == Number::kNone) {
      if (RE2::FullMatch(value, compiled.regex)) return {value, compiled.form.region, std::nullopt};
      continue;
    }
    std::string number;
    if (RE2::FullMatch(value, compiled.regex, &number)) {
      return {value, compiled.form.region, OneDecimal(number)};
    }
  }
  return {value, "UNKNOWN", std::nullopt};
}

std::optional<std::string> SizeNumber(std::string_view value) {
  static const RE2& number_first = *new RE2("(\\d{1,3}(?:\\.\\d)?)[A-Za-z]?");
  std::string number;
  if (!RE2::FullMatch(CollapseSpace(value), number_first, &number)) return std::nullopt;
  return OneDecimal(number);
}

}  // namespace lockstep::catalog
