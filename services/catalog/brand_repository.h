// products.brand_patterns: loading them for derivation, and replacing those of one brand.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pool.h"
#include "services/catalog/brand_matcher.h"

namespace lockstep::catalog {

// A matcher over all patterns.
[[nodiscard]] absl::StatusOr<BrandMatcher> LoadBrandMatcher(pg::Tx& tx);

// Patterns of the brands, each brand's by (priority, created_at).
[[nodiscard]] absl::StatusOr<std::vector<BrandPattern>> LoadPatterns(
    pg::Tx& tx, const std::vector<std::string>& brand_ids);

// Makes `patterns` the brand's patterns; those that stay keep their created_at, which breaks ties.
// ALREADY_EXISTS (PATTERN_TAKEN) when another brand has one of them.
[[nodiscard]] absl::Status ReplacePatterns(pg::Tx& tx, const std::string& brand_id,
                                           const std::vector<BrandPattern>& patterns);

}  // namespace lockstep::catalog
