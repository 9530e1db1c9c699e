// Descriptions of the catalog's plain resources: which field of the message is which column, and
// what a value may be. Most of what the catalog keeps has no rules beyond that, so reading,
// checking, inserting and updating are written once (resource_codec, resource_store) over these
// tables.
#pragma once

#include <string>
#include <vector>

#include "common/paging/list_query.h"

namespace lockstep::catalog {

// A set of resources with names "<name>/<key>".
struct Collection {
  std::string name;        // "brands"
  std::string table;       // "products.brands"
  std::string key_column;  // "id" (UUID) or "slug"
  std::string not_found;   // reason: "BRAND_NOT_FOUND"

  bool has_slug_key() const { return key_column != "id"; }
};

enum class Kind {
  kText,
  kEnum,  // text in the column; names of the values without prefix, in lower case
  kBool,
  kInteger,
  kDecimal,  // a string field, numeric in the column
  kMoney,    // EUR
  kTime,
  kReference,  // a resource name; the column holds the other row's id
  kTextList,   // repeated string, a JSON array in the column
  kTextMap,    // map<string, string>, a JSON object in the column
};

enum class Access {
  kOptional,
  kRequired,
  kImmutable,  // given on create or made by the server, then fixed
  kRequiredImmutable,
  kOutput,
};

struct Column {
  std::string field;
  std::string column;
  Kind kind = Kind::kText;
  Access access = Access::kOptional;
  int max_length = 0;    // kText, entries of lists, values of maps: characters
  std::string low = {};  // kInteger, kDecimal: inclusive bounds
  std::string high = {};
  int scale = 0;                 // kDecimal: digits after the point
  bool is_positive = false;      // kMoney: above 0
  std::string enum_prefix = {};  // kEnum: "SIZE_REGION_"
  bool is_upper_case = false;    // kEnum: the column holds upper case
  const Collection* reference = nullptr;
  bool is_not_null = false;     // clearing it means the column's default
  std::string select_sql = {};  // instead of t.<column>
  std::string update_sql = {};  // instead of "$": an expression with "$" for the new value
};

struct ResourceSpec {
  Collection collection;
  std::string field;          // of the resource in requests: "brand"; in front of error paths
  std::string taken_reason;   // for a violated unique key
  std::string in_use_reason;  // for a refused delete
  std::vector<Column> columns;
  std::vector<std::string> own_fields = {};  // writable, but kept by the service itself
  std::string joins = {};                    // after "FROM <table> t", for filters
  bool has_etag = true;                      // from updated_at
  paging::ListSpec list;
};

[[nodiscard]] const Collection& Platforms();
[[nodiscard]] const Collection& Suppliers();
[[nodiscard]] const Collection& Brands();
[[nodiscard]] const Collection& Categories();
[[nodiscard]] const Collection& Sizes();
[[nodiscard]] const Collection& Products();
[[nodiscard]] const Collection& Items();

// Constants of the program; the tables are t in their SQL.
[[nodiscard]] const ResourceSpec& PlatformSpec();
[[nodiscard]] const ResourceSpec& SupplierSpec();
[[nodiscard]] const ResourceSpec& BrandSpec();
[[nodiscard]] const ResourceSpec& CategorySpec();
[[nodiscard]] const ResourceSpec& SizeSpec();
[[nodiscard]] const ResourceSpec& ProductSpec();
[[nodiscard]] const ResourceSpec& ItemSpec();

}  // namespace lockstep::catalog
