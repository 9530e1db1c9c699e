#include "services/catalog/brand_repository.h"

#include <optional>
#include <utility>

#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::catalog {
namespace {

constexpr std::string_view kSelect =
    "SELECT brand_id, pattern_type, pattern, priority, created_at FROM products.brand_patterns";

BrandPattern PatternFromRow(const pg::Row& row) {
  return {.brand_id = row.Text("brand_id"),
          .is_regex = row.Text("pattern_type") == "regex",
          .pattern = row.Text("pattern"),
          .priority = row.Get<std::int32_t>("priority"),
          .created_at = row.Get<absl::Time>("created_at")};
}

}  // namespace

absl::StatusOr<BrandMatcher> LoadBrandMatcher(pg::Tx& tx) {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Query(kSelect));
  std::vector<BrandPattern> patterns;
  for (const pg::Row row : rows) patterns.push_back(PatternFromRow(row));
  return BrandMatcher(std::move(patterns));
}

absl::StatusOr<std::vector<BrandPattern>> LoadPatterns(pg::Tx& tx,
                                                       const std::vector<std::string>& brand_ids) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query(std::string(kSelect) + " WHERE brand_id = ANY($1::uuid[])"
                                                   " ORDER BY priority, created_at, pattern",
                            pg::ArrayLiteral(brand_ids)));
  std::vector<BrandPattern> patterns;
  for (const pg::Row row : rows) patterns.push_back(PatternFromRow(row));
  return patterns;
}

absl::Status ReplacePatterns(pg::Tx& tx, const std::string& brand_id,
                             const std::vector<BrandPattern>& patterns) {
  std::vector<std::string> texts;
  std::vector<std::string> types;
  std::vector<std::string> priorities;
  for (const BrandPattern& pattern : patterns) {
    texts.push_back(pattern.pattern);
    types.emplace_back(pattern.is_regex ? "regex" : "keyword");
    priorities.push_back(std::to_string(pattern.priority));
  }
  RETURN_IF_ERROR(tx.Execute("DELETE FROM products.brand_patterns"
                             " WHERE brand_id = $1 AND pattern <> ALL ($2::text[])",
                             brand_id, pg::ArrayLiteral(texts))
                      .status());
  // A pattern of another brand is left alone: then fewer rows are touched than there are patterns.
  ASSIGN_OR_RETURN(
      const std::int64_t touched,
      tx.Execute(
          "INSERT INTO products.brand_patterns AS p (brand_id, pattern_type, pattern, priority,"
          " created_at) SELECT $1::uuid, u.type, u.pattern, u.priority,"
          // Patterns that come together keep their order in ties.
          " now() + (u.position - 1) * interval '1 microsecond'"
          " FROM unnest($2::text[], $3::text[], $4::int[]) WITH ORDINALITY"
          " AS u (type, pattern, priority, position)"
          " ON CONFLICT (pattern) DO UPDATE SET pattern_type = excluded.pattern_type,"
          " priority = excluded.priority, updated_at = now() WHERE p.brand_id = excluded.brand_id",
          brand_id, pg::ArrayLiteral(types), pg::ArrayLiteral(texts),
          pg::ArrayLiteral(priorities)));
  if (touched != static_cast<std::int64_t>(patterns.size())) {
    return Error(absl::StatusCode::kAlreadyExists, "PATTERN_TAKEN",
                 "another brand has one of these patterns");
  }
  return absl::OkStatus();
}

}  // namespace lockstep::catalog
