// The manifests of the services in this repository, as the build has generated them.
#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/catalog/manifest.h"
#include "services/finance/manifest.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/graph.h"
#include "services/migration/footprint/catalog.h"
#include "services/migration/footprint/sources.h"
#include "services/orders/manifest.h"

namespace lockstep::migration::footprint {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;

std::string Root() {
  const char* root = std::getenv("LOCKSTEP_SOURCE_DIR");
  return root == nullptr ? "." : root;
}

// Owner and required revision.
std::vector<std::pair<std::string, std::string>> Required(
    const revision_gate::BuildManifest& manifest) {
  std::vector<std::pair<std::string, std::string>> required;
  for (const auto& use : manifest.uses) required.emplace_back(use.service, use.required_revision);
  return required;
}

bool IsNameChar(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// Whether `name` stands in `text` as a whole, outside // comments.
bool Mentions(const std::string& text, const std::string& name) {
  for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    const std::size_t line = text.rfind('\n', at) + 1;  // 0 on the first line
    const bool is_comment = text.substr(line, at - line).find("//") != std::string::npos;
    const bool is_whole = at > 0 && !IsNameChar(text[at - 1]) && text[at - 1] != '.' &&
                          at + name.size() < text.size() && !IsNameChar(text[at + name.size()]);
    if (is_whole && !is_comment) return true;
  }
  return false;
}

TEST(RealManifests, OrdersUsesItsTablesAndTheCatalogs) {
  const revision_gate::BuildManifest& manifest = lockstep::orders::Manifest();

  EXPECT_THAT(manifest.footprint,
              IsSupersetOf({"transactions.orders", "transactions.orders.net_proceeds",
                            "products.item_summaries", "products.item_summaries.brand_name",
                            "products.inventory.gross_purchase_price", "core.platforms.slug"}));
  EXPECT_THAT(Required(manifest), Contains(std::pair("orders", "5c2e91f0a7d4")));
  EXPECT_THAT(Required(manifest), Contains(std::pair("catalog", "0b6e94d81a57")));
  EXPECT_EQ(manifest.required_revision, "5c2e91f0a7d4");
}

TEST(RealManifests, TheCatalogComposesItsSqlOfTables) {
  EXPECT_THAT(lockstep::catalog::Manifest().footprint,
              IsSupersetOf({"products.brands.target_demographic", "core.suppliers.slug",
                            "products.inventory.detailed_status", "products.sizes.region"}));
  EXPECT_EQ(lockstep::catalog::Manifest().required_revision, "0b6e94d81a57");
}

TEST(RealManifests, FinanceReadsSales) {
  EXPECT_THAT(
      lockstep::finance::Manifest().footprint,
      IsSupersetOf({"finance.expenses.amount", "transactions.orders.sold_at",
                    "finance.expenses.order_id", "transactions.legacy_order_map.order_id"}));
  EXPECT_THAT(Required(lockstep::finance::Manifest()),
              Contains(std::pair("orders", "b1e7309cd542")));
}

// The SQL of common/ gets its tables from the services.
TEST(RealManifests, PlumbingIsComplete) {
  for (const auto& [schema, manifest] : {std::pair("transactions", &lockstep::orders::Manifest()),
                                         std::pair("core", &lockstep::catalog::Manifest()),
                                         std::pair("finance", &lockstep::finance::Manifest())}) {
    for (const char* name : {".outbox.event_id", ".outbox.next_attempt_at", ".outbox.payload",
                             ".inbox.source", ".inbox.applied_at", ".request_results.digest",
                             ".request_results.expires_at", ".signing_keys.secret"}) {
      EXPECT_THAT(manifest->footprint, Contains(std::string(schema) + name));
    }
  }
}

// Found by another way than the scanner's: any relation of the catalog whose name stands anywhere
// in a source has to be in the manifest, unless it is in a comment only.
TEST(RealManifests, NoRelationIsMissing) {
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(Root() + "/migrations"));
  const Catalog catalog = BuildCatalog(definitions);
  for (const auto& [service, manifest] : {std::pair("orders", &lockstep::orders::Manifest()),
                                          std::pair("catalog", &lockstep::catalog::Manifest()),
                                          std::pair("finance", &lockstep::finance::Manifest())}) {
    ASSERT_OK_AND_ASSIGN(const auto sources,
                         ReadSources(Root(), {std::string("services/") + service}));
    for (const Source& source : sources) {
      for (const auto& [name, relation] : catalog.relations) {
        if (!Mentions(source.text, name)) continue;
        EXPECT_THAT(manifest->footprint, Contains(name)) << source.file;
      }
    }
  }
}

// A manifest names what exists, in order, each once.
TEST(RealManifests, NamesExist) {
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(Root() + "/migrations"));
  const Catalog catalog = BuildCatalog(definitions);
  const Graph graph(definitions);
  for (const auto* manifest : {&lockstep::orders::Manifest(), &lockstep::catalog::Manifest(),
                               &lockstep::finance::Manifest()}) {
    EXPECT_TRUE(std::is_sorted(manifest->footprint.begin(), manifest->footprint.end()));
    const std::set<std::string> unique(manifest->footprint.begin(), manifest->footprint.end());
    EXPECT_EQ(unique.size(), manifest->footprint.size());
    for (const std::string& name : manifest->footprint) {
      const std::size_t column = name.find('.', name.find('.') + 1);
      const Relation* relation = catalog.Find(name.substr(0, column));
      ASSERT_NE(relation, nullptr) << name;
      if (column != std::string::npos) {
        EXPECT_TRUE(relation->columns.contains(name.substr(column + 1))) << name;
      }
    }
    for (const auto& use : manifest->uses) {
      EXPECT_TRUE(graph.Find(use.required_revision).has_value()) << use.service;
      EXPECT_TRUE(graph.Find(use.built_for).has_value()) << use.service;
    }
  }
}

}  // namespace
}  // namespace lockstep::migration::footprint
