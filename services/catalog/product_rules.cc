#include "services/catalog/product_rules.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/ids/resource_name.h"
#include "common/status/error.h"
#include "common/time/proto.h"
#include "services/catalog/brand_repository.h"
#include "services/catalog/size.h"
#include "services/catalog/text.h"
#include "services/catalog/violations.h"

namespace lockstep::catalog {
namespace {

constexpr int kMaxPatterns = 100;
constexpr int kMaxPatternLength = 255;
constexpr int kDefaultPriority = 100;
constexpr int kMaxPriority = 1'000'000;
constexpr int kMaxPathLength = 500;

absl::Status CheckProduct(const v1::Product& product, const FieldSet& fields) {
  if (fields.contains("sku") && IsMissingMarker(product.sku())) {
    return InvalidField("product.sku", "SKU_INVALID",
                        "a style code, not a marker for a missing one");
  }
  return absl::OkStatus();
}

absl::Status CompleteNewProduct(pg::Tx& tx, v1::Product& product, ExtraColumns& /*extra*/) {
  product.set_sku(CollapseSpace(product.sku()));
  if (!product.brand().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const BrandMatcher matcher, LoadBrandMatcher(tx));
  const std::optional<std::string> brand_id = matcher.Match(product.display_name());
  if (brand_id.has_value()) product.set_brand("brands/" + *brand_id);
  return absl::OkStatus();
}

absl::Status CompleteProduct(pg::Tx& /*tx*/, const v1::Product& /*before*/,
                             const v1::Product& /*changes*/, v1::Product& after,
                             FieldSet& /*fields*/, ExtraColumns& /*extra*/) {
  after.set_sku(CollapseSpace(after.sku()));
  return absl::OkStatus();
}

absl::Status CheckPatterns(const v1::Brand& brand, const FieldSet& fields) {
  if (!fields.contains("patterns")) return absl::OkStatus();
  Violations bad;
  if (brand.patterns_size() > kMaxPatterns) {
    bad.Add("brand.patterns", "TOO_MANY_ENTRIES", absl::StrFormat("at most %d", kMaxPatterns));
  }
  std::set<std::string> seen;
  for (int i = 0; i < std::min(brand.patterns_size(), kMaxPatterns); ++i) {
    const v1::BrandPattern& pattern = brand.patterns(i);
    const std::string path = absl::StrFormat("brand.patterns[%d]", i);
    std::string error;
    if (pattern.pattern().empty()) {
      bad.Add(path + ".pattern", "FIELD_REQUIRED", "not empty");
    } else if (CharacterCount(pattern.pattern()) > kMaxPatternLength) {
      bad.Add(path + ".pattern", "TEXT_TOO_LONG", "at most 255 characters");
    } else if (!seen.insert(pattern.pattern()).second) {
      bad.Add(path + ".pattern", "PATTERN_REPEATED", "each pattern once");
    } else if (pattern.type() != v1::BRAND_PATTERN_TYPE_KEYWORD &&
               !BrandMatcher::IsValidRegex(pattern.pattern(), error)) {
      bad.Add(path + ".pattern", "PATTERN_INVALID", "cannot be read: " + error);
    }
    if (!v1::BrandPatternType_IsValid(pattern.type())) {
      bad.Add(path + ".type", "ENUM_VALUE_UNKNOWN", "one of the values of BrandPatternType");
    }
    if (pattern.priority() < 0 || pattern.priority() > kMaxPriority) {
      bad.Add(path + ".priority", "NUMBER_OUT_OF_RANGE", "between 0 and 1000000");
    }
  }
  return bad.ToStatus();
}

absl::Status StorePatterns(pg::Tx& tx, const std::string& name, const v1::Brand& brand) {
  ASSIGN_OR_RETURN(const std::string brand_id, KeyOf(Brands(), name, "name"));
  std::vector<BrandPattern> patterns;
  for (const v1::BrandPattern& pattern : brand.patterns()) {
    patterns.push_back({.brand_id = brand_id,
                        .is_regex = pattern.type() != v1::BRAND_PATTERN_TYPE_KEYWORD,
                        .pattern = pattern.pattern(),
                        .priority = pattern.has_priority() ? pattern.priority() : kDefaultPriority,
                        .created_at = {}});
  }
  return ReplacePatterns(tx, brand_id, patterns);
}

absl::Status AddPatterns(pg::Tx& tx, google::protobuf::RepeatedPtrField<v1::Brand>& brands) {
  std::map<std::string, v1::Brand*> by_id;
  std::vector<std::string> ids;
  for (v1::Brand& brand : brands) {
    ASSIGN_OR_RETURN(std::string id, KeyOf(Brands(), brand.name(), "name"));
    by_id[id] = &brand;
    ids.push_back(std::move(id));
  }
  if (ids.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<BrandPattern> patterns, LoadPatterns(tx, ids));
  for (const BrandPattern& pattern : patterns) {
    v1::BrandPattern& out = *by_id.at(pattern.brand_id)->add_patterns();
    out.set_type(pattern.is_regex ? v1::BRAND_PATTERN_TYPE_REGEX : v1::BRAND_PATTERN_TYPE_KEYWORD);
    out.set_pattern(pattern.pattern);
    out.set_priority(pattern.priority);
    *out.mutable_created_at() = time::ToProto(pattern.created_at);
  }
  return absl::OkStatus();
}

absl::Status CompleteNewBrand(pg::Tx& /*tx*/, v1::Brand& brand, ExtraColumns& /*extra*/) {
  brand.set_display_name(CollapseSpace(brand.display_name()));
  if (brand.slug().empty()) brand.set_slug(SlugOf(brand.display_name()));
  if (brand.slug().empty() || CharacterCount(brand.slug()) > 100) {
    return InvalidField("brand.slug", "SLUG_MALFORMED",
                        "no slug of at most 100 characters follows from the name: give one");
  }
  return absl::OkStatus();
}

// A brand must not come to be its own ancestor: every walk up the tree would run for ever.
absl::Status CheckParent(pg::Tx& tx, const v1::Brand& brand) {
  if (brand.parent_brand().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string id, KeyOf(Brands(), brand.name(), "name"));
  ASSIGN_OR_RETURN(const std::string parent_id,
                   KeyOf(Brands(), brand.parent_brand(), "brand.parent_brand"));
  // Two changes that make a circle only together must not overlap; the walk is a statement of its
  // own, so it sees what the one before has committed.
  RETURN_IF_ERROR(
      tx.Query("SELECT pg_advisory_xact_lock(hashtextextended('catalog.brand_tree', 0))").status());
  ASSIGN_OR_RETURN(const std::optional<pg::Row> found,
                   tx.Maybe("WITH RECURSIVE above AS ("
                            " SELECT b.id, b.parent_brand_id FROM products.brands b WHERE b.id = $1"
                            " UNION SELECT b.id, b.parent_brand_id FROM products.brands b"
                            " JOIN above a ON a.parent_brand_id = b.id)"
                            " SELECT a.id FROM above a WHERE a.id = $2",
                            parent_id, id));
  if (!found.has_value()) return absl::OkStatus();
  return InvalidField("brand.parent_brand", "PARENT_IS_DESCENDANT",
                      "the parent belongs, directly or not, to this brand");
}

absl::Status CompleteBrand(pg::Tx& tx, const v1::Brand& before, const v1::Brand& changes,
                           v1::Brand& after, FieldSet& fields, ExtraColumns& /*extra*/) {
  if (fields.contains("parent_brand") && after.parent_brand() == before.name()) {
    return InvalidField("brand.parent_brand", "PARENT_IS_SELF",
                        "a brand does not belong to itself");
  }
  if (fields.contains("parent_brand")) RETURN_IF_ERROR(CheckParent(tx, after));
  return fields.contains("patterns") ? StorePatterns(tx, before.name(), changes) : absl::OkStatus();
}

absl::Status CheckPath(const std::string& path) {
  if (CharacterCount(path) <= kMaxPathLength) return absl::OkStatus();
  return InvalidField("category.display_name", "TEXT_TOO_LONG",
                      "the path of names is at most 500 characters");
}

absl::Status CompleteNewCategory(pg::Tx& tx, v1::Category& category, ExtraColumns& extra) {
  std::string path = category.display_name();
  if (!category.parent().empty()) {
    ASSIGN_OR_RETURN(const std::string parent_id,
                     FindId(tx, Categories(), category.parent(), "category.parent"));
    ASSIGN_OR_RETURN(const pg::Row parent,
                     tx.One("SELECT coalesce(path, name) AS path FROM products.categories"
                            " WHERE id = $1",
                            parent_id));
    path = parent.Text("path") + "/" + path;
  }
  RETURN_IF_ERROR(CheckPath(path));
  extra.emplace_back("path", path);
  return absl::OkStatus();
}

absl::Status CompleteCategory(pg::Tx& tx, const v1::Category& before,
                              const v1::Category& /*changes*/, v1::Category& after,
                              FieldSet& /*fields*/, ExtraColumns& extra) {
  if (after.display_name() == before.display_name()) return absl::OkStatus();
  const std::string& old_path = before.path().empty() ? before.display_name() : before.path();
  const std::string parent_path =
      old_path.substr(0, old_path.size() - std::min(old_path.size(), before.display_name().size()));
  const std::string path = parent_path + after.display_name();
  RETURN_IF_ERROR(CheckPath(path));
  extra.emplace_back("path", path);
  ASSIGN_OR_RETURN(const std::string slug, KeyOf(Categories(), before.name(), "name"));
  return tx
      .Execute(
          "WITH RECURSIVE below AS ("
          " SELECT c.id FROM products.categories c JOIN products.categories top"
          " ON top.id = c.parent_id WHERE top.slug = $1"
          " UNION SELECT c.id FROM products.categories c JOIN below b ON b.id = c.parent_id)"
          " UPDATE products.categories c"
          " SET path = $3 || substr(c.path, char_length($2) + 1),"
          " updated_at = greatest(now(), c.updated_at + interval '1 microsecond')"
          " FROM below b WHERE b.id = c.id AND starts_with(c.path, $2 || '/')",
          slug, old_path, path)
      .status();
}

absl::Status CompleteNewSize(pg::Tx& /*tx*/, v1::Size& size, ExtraColumns& extra) {
  size.set_value(CollapseSpace(size.value()));
  extra.emplace_back("standardized_value", SizeNumber(size.value()));
  return absl::OkStatus();
}

}  // namespace

ResourceHooks<v1::Product> ProductRules() {
  return {
      .check = CheckProduct,
      .before_insert = CompleteNewProduct,
      .before_update = CompleteProduct,
  };
}

ResourceHooks<v1::Brand> BrandRules() {
  return {.check = CheckPatterns,
          .before_insert = CompleteNewBrand,
          .after_insert = StorePatterns,
          .before_update = CompleteBrand,
          .complete = AddPatterns};
}

ResourceHooks<v1::Category> CategoryRules() {
  return {
      .before_insert = CompleteNewCategory,
      .before_update = CompleteCategory,
  };
}

ResourceHooks<v1::Size> SizeRules() {
  return {
      .before_insert = CompleteNewSize,
  };
}

}  // namespace lockstep::catalog
