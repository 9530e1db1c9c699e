// What one literal says about relations and columns. Internal to the footprint.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/footprint/catalog.h"
#include "services/migration/footprint/names.h"

namespace lockstep::migration::footprint {

// Something wrong at a place of the literal.
struct Finding {
  enum class Kind { kRelationUnknown, kColumnUnknown, kNameComposed };
  Kind kind = Kind::kRelationUnknown;
  std::string name;        // "transactions.ordrs", "transactions.orders.x", "transactions."
  std::size_t offset = 0;  // byte of the literal
};

struct LiteralUses {
  std::set<std::string> names;      // every name that occurs, alone or as a part of a longer one
  std::set<std::string> relations;  // of the catalog
  std::set<std::string> whole_relations;  // all columns of these
  // A `*` whose relations are in other literals.
  bool has_open_star = false;
  std::vector<Finding> findings;
};

// Pure; thread-safe.
LiteralUses ReadUses(const Catalog& catalog, std::string_view text);

}  // namespace lockstep::migration::footprint
