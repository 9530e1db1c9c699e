// Derives a product's brand from its name by the patterns of products.brand_patterns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace lockstep::catalog {

struct BrandPattern {
  std::string brand_id;
  bool is_regex = true;  // else a keyword: text that the name contains
  std::string pattern;
  int priority = 100;  // lower first
  absl::Time created_at;
};

// Immutable and thread-safe. Regular expressions are RE2's: matching takes linear time, so that no
// stored pattern can stall an import.
class BrandMatcher {
 public:
  // Invalid patterns are left out and logged as a warning.
  explicit BrandMatcher(std::vector<BrandPattern> patterns);
  ~BrandMatcher();
  BrandMatcher(BrandMatcher&&) noexcept;
  BrandMatcher& operator=(BrandMatcher&&) noexcept;

  // The brand of the first pattern that is found in `product_name`, without regard to case, by
  // (priority, created_at, pattern).
  std::optional<std::string> Match(std::string_view product_name) const;

  // Whether a regular expression can be read; `error` says what is wrong with it.
  static bool IsValidRegex(std::string_view pattern, std::string& error);

 private:
  struct Compiled;
  std::vector<std::unique_ptr<Compiled>> compiled_;
};

}  // namespace lockstep::catalog
