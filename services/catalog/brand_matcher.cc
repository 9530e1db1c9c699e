#include "services/catalog/brand_matcher.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/log/log.h"
#include "re2/re2.h"

namespace lockstep::catalog {
namespace {

RE2::Options RegexOptions() {
  RE2::Options options;
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return options;
}

}  // namespace

struct BrandMatcher::Compiled {
  Compiled(std::string id, const std::string& pattern)
      : brand_id(std::move(id)), regex(pattern, RegexOptions()) {}
  std::string brand_id;
  RE2 regex;
};

BrandMatcher::BrandMatcher(std::vector<BrandPattern> patterns) {
  std::ranges::sort(patterns, {}, [](const BrandPattern& p) {
    return std::tie(p.priority, p.created_at, p.pattern);
  });
  for (BrandPattern& pattern : patterns) {
    // A keyword goes through the same engine, so that case is ignored beyond ASCII as well.
    const std::string text = pattern.is_regex ? pattern.pattern : RE2::QuoteMeta(pattern.pattern);
    auto compiled = std::make_unique<Compiled>(std::move(pattern.brand_id), text);
    if (!compiled->regex.ok()) {
      log::Warn("brand_pattern_invalid",
                {{"pattern", pattern.pattern}, {"error", compiled->regex.error()}});
      continue;
    }
    compiled_.push_back(std::move(compiled));
  }
}

BrandMatcher::~BrandMatcher() = default;
BrandMatcher::BrandMatcher(BrandMatcher&&) noexcept = default;
BrandMatcher& BrandMatcher::operator=(BrandMatcher&&) noexcept = default;

std::optional<std::string> BrandMatcher::Match(std::string_view product_name) const {
  const std::string name(product_name);
  for (const auto& compiled : compiled_) {
    if (RE2::PartialMatch(name, compiled->regex)) return compiled->brand_id;
  }
  return std::nullopt;
}

bool BrandMatcher::IsValidRegex(std::string_view pattern, std::string& error) {
  const RE2 regex(std::string(pattern), RegexOptions());
  error = regex.error();
  return regex.ok();
}

}  // namespace lockstep::catalog
