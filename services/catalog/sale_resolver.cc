#include "services/catalog/sale_resolver.h"

#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "common/pg/planning.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/catalog/brand_repository.h"
#include "services/catalog/sale_repository.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;

// A call that lost an order to a concurrent ReserveItem or MarkSold starts again.
constexpr int kMaxAttempts = 3;
constexpr std::string_view kStockxPrefix = "stockx_";

// One run of the steps in one transaction.
class Resolution {
 public:
  Resolution(pg::Tx& tx, const std::vector<Sale>& sales)
      : tx_(tx), sales_(sales), candidates_(sales.size()) {}

  absl::StatusOr<std::vector<SoldItem>> Run() {
    RETURN_IF_ERROR(pg::PlanAfresh(tx_, true));
    RETURN_IF_ERROR(PreparePlatforms());
    RETURN_IF_ERROR(FindExact());
    RETURN_IF_ERROR(FindBySkuAndSize());
    RETURN_IF_ERROR(LoadItems());
    RETURN_IF_ERROR(pg::PlanAfresh(tx_, false));
    const std::vector<SaleDecision> decisions = MatchSales(candidates_, groups_, facts_);
    return Store(decisions);
  }

 private:
  absl::Status PreparePlatforms() {
    std::set<std::string> slugs;
    for (const Sale& sale : sales_) slugs.insert(sale.platform);
    ASSIGN_OR_RETURN(platforms_, FindPlatforms(tx_, slugs));
    for (const std::string& slug : slugs) {
      if (platforms_.contains(slug)) continue;
      return Error(absl::StatusCode::kNotFound, "PLATFORM_NOT_FOUND", "there is no such platform")
          .With("name", "platforms/" + slug);
    }
    return LockPlatforms(tx_, slugs);
  }

  // Everything that refers to one item: earlier calls, the caller, listings, external ids.
  absl::Status FindExact() {
    std::vector<std::string> platform_ids;
    std::vector<std::string> external_ids;
    for (std::size_t i = 0; i < sales_.size(); ++i) {
      platform_ids.push_back(platforms_.at(sales_[i].platform).text());
      external_ids.push_back(sales_[i].external_order_id);
      candidates_[i].sold_at = sales_[i].sold_at;
      candidates_[i].known_item = sales_[i].known_item;
    }
    ASSIGN_OR_RETURN(const FoundItems resolved, FindResolved(tx_, platform_ids, external_ids));
    for (const auto& [position, item_id] : resolved) candidates_[position].resolved_item = item_id;

    std::vector<std::string> listing_platforms;
    Keyed listing_ids;
    Keyed stockx_listing_ids;
    Keyed stockx_numbers;
    for (std::size_t i = 0; i < sales_.size(); ++i) {
      if (!IsOpen(i)) continue;
      const Sale& sale = sales_[i];
      const bool is_stockx = sale.platform == "stockx";
      if (!sale.listing_id.empty()) {
        listing_platforms.push_back(platform_ids[i]);
        listing_ids.emplace_back(i, sale.listing_id);
        if (is_stockx) stockx_listing_ids.emplace_back(i, sale.listing_id);
      }
      if (is_stockx && sale.external_order_id.starts_with(kStockxPrefix)) {
        stockx_numbers.emplace_back(i, sale.external_order_id.substr(kStockxPrefix.size()));
      }
    }
    ASSIGN_OR_RETURN(const FoundItems listed, FindByListing(tx_, listing_platforms, listing_ids));
    for (const auto& [position, id] : listed) candidates_[position].by_listing.push_back(id);
    ASSIGN_OR_RETURN(const FoundItems numbered, FindByOrderNumber(tx_, stockx_numbers));
    for (const auto& [position, id] : numbered) candidates_[position].by_order_number.push_back(id);
    ASSIGN_OR_RETURN(const FoundItems noted, FindByListingId(tx_, stockx_listing_ids));
    for (const auto& [position, id] : noted) candidates_[position].by_listing_id.push_back(id);
    return absl::OkStatus();
  }

  absl::Status FindBySkuAndSize() {
    std::set<std::string> skus;
    std::set<SizeKey> size_keys;
    for (std::size_t i = 0; i < sales_.size(); ++i) {
      if (!IsOpen(i)) continue;
      skus.insert(sales_[i].sku);
      size_keys.emplace(sales_[i].size.value, sales_[i].size.region);
    }
    if (skus.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(products_, FindProducts(tx_, skus));
    ASSIGN_OR_RETURN(const auto sizes, FindSizes(tx_, size_keys));
    // Ordered: every resolution locks the items of a group in the same order.
    std::map<std::pair<Uuid, SizeKey>, std::vector<std::size_t>> sales_of;
    for (std::size_t i = 0; i < sales_.size(); ++i) {
      const auto product = products_.find(sales_[i].sku);
      const auto size = sizes.find({sales_[i].size.value, sales_[i].size.region});
      if (!IsOpen(i) || product == products_.end() || size == sizes.end()) continue;
      sales_of[{product->second, size->first}].push_back(i);
    }
    // Items that sales name exactly may be among the oldest of a group; those sales take them
    // first.
    const std::size_t named = NamedItems().size();
    std::vector<ItemGroup> wanted;
    for (const auto& [key, positions] : sales_of) {
      for (const std::size_t i : positions) candidates_[i].group = wanted.size();
      wanted.push_back(
          {key.first, sizes.at(key.second), static_cast<int>(positions.size() + named)});
    }
    ASSIGN_OR_RETURN(groups_, FindAvailable(tx_, wanted));
    return absl::OkStatus();
  }

  absl::Status LoadItems() {
    std::set<Uuid> ids = NamedItems();
    RETURN_IF_ERROR(LockItems(tx_, ids));
    for (const std::vector<Uuid>& group : groups_) ids.insert(group.begin(), group.end());
    ASSIGN_OR_RETURN(facts_, LoadFacts(tx_, ids));
    for (const SaleCandidates& sale : candidates_) {
      if (!sale.known_item.has_value() || facts_.contains(*sale.known_item)) continue;
      return Error(absl::StatusCode::kNotFound, "ITEM_NOT_FOUND", "the known item does not exist")
          .With("item", "inventoryItems/" + sale.known_item->text());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<SoldItem>> Store(const std::vector<SaleDecision>& decisions) {
    std::vector<SoldItem> sold(sales_.size());
    std::vector<std::size_t> missing;
    std::set<Uuid> taken;
    for (std::size_t i = 0; i < sales_.size(); ++i) {
      if (decisions[i].match == Match::kNone) {
        missing.push_back(i);
        continue;
      }
      const ItemFacts& facts = facts_[decisions[i].item_id];
      sold[i] = {decisions[i].item_id, decisions[i].match, facts};
      if (!decisions[i].takes_unit) continue;
      AddClaim(i, decisions[i].item_id, facts.status == ItemStatus::kSold);
      if (facts.free_units == 0 && CanBeTaken(facts.status)) taken.insert(decisions[i].item_id);
    }
    RETURN_IF_ERROR(MakePlaceholders(missing, sold));
    RETURN_IF_ERROR(InsertClaims(tx_, claims_));
    RETURN_IF_ERROR(MarkReserved(tx_, taken));
    return sold;
  }

  absl::Status MakePlaceholders(const std::vector<std::size_t>& missing,
                                std::vector<SoldItem>& sold) {
    if (missing.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(MakeProducts(missing));
    std::map<SizeKey, std::optional<std::string>> wanted_sizes;
    for (const std::size_t i : missing) {
      const ParsedSize& size = sales_[i].size;
      wanted_sizes.try_emplace({size.value, size.region}, size.number);
    }
    ASSIGN_OR_RETURN(const auto sizes, FindOrCreateSizes(tx_, wanted_sizes));
    std::vector<Placeholder> items;
    for (const std::size_t i : missing) {
      const Sale& sale = sales_[i];
      items.push_back({Uuid::Generate(), products_.at(sale.sku),
                       sizes.at({sale.size.value, sale.size.region})});
      sold[i].item_id = items.back().id;
      sold[i].match = Match::kPlaceholder;
      sold[i].facts.status = ItemStatus::kSold;
      sold[i].facts.is_placeholder = true;
      AddClaim(i, items.back().id, /*is_sold=*/true);
    }
    return InsertPlaceholders(tx_, items);
  }

  absl::Status MakeProducts(const std::vector<std::size_t>& missing) {
    std::map<std::string, std::string> names;  // by SKU; the first sale names the product
    for (const std::size_t i : missing) {
      if (!products_.contains(sales_[i].sku)) {
        names.try_emplace(sales_[i].sku, sales_[i].item_name);
      }
    }
    if (names.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const BrandMatcher brands, LoadBrandMatcher(tx_));
    std::vector<NewProduct> products;
    for (const auto& [sku, name] : names) products.push_back({sku, name, brands.Match(name)});
    ASSIGN_OR_RETURN(const auto created, CreateProducts(tx_, products));
    products_.insert(created.begin(), created.end());
    return absl::OkStatus();
  }

  // Items that a sale refers to by itself, not by SKU and size.
  std::set<Uuid> NamedItems() const {
    std::set<Uuid> ids;
    for (const SaleCandidates& sale : candidates_) {
      if (sale.resolved_item.has_value()) ids.insert(*sale.resolved_item);
      if (sale.known_item.has_value()) ids.insert(*sale.known_item);
      ids.insert(sale.by_listing.begin(), sale.by_listing.end());
      ids.insert(sale.by_order_number.begin(), sale.by_order_number.end());
      ids.insert(sale.by_listing_id.begin(), sale.by_listing_id.end());
    }
    return ids;
  }

  bool IsOpen(std::size_t i) const {
    return !candidates_[i].resolved_item.has_value() && !candidates_[i].known_item.has_value();
  }

  void AddClaim(std::size_t i, const Uuid& item_id, bool is_sold) {
    claims_.push_back({item_id, platforms_.at(sales_[i].platform), sales_[i].external_order_id,
                       is_sold, sales_[i].sold_at});
  }

  pg::Tx& tx_;
  const std::vector<Sale>& sales_;
  std::vector<SaleCandidates> candidates_;
  std::map<std::string, Uuid> platforms_;
  std::map<std::string, Uuid> products_;
  std::vector<std::vector<Uuid>> groups_;
  std::map<Uuid, ItemFacts> facts_;
  std::vector<SaleClaim> claims_;
};

}  // namespace

absl::StatusOr<std::vector<SoldItem>> SaleResolver::Resolve(const Context& context,
                                                            const std::vector<Sale>& sales) {
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<std::vector<SoldItem>> sold =
        pool_.Write(context, [&](pg::Tx& tx) { return Resolution(tx, sales).Run(); });
    if (sold.ok() || attempt == kMaxAttempts ||
        ReasonOf(sold.status()) != "ORDER_CLAIMED_MEANWHILE") {
      return sold;
    }
  }
}

}  // namespace lockstep::catalog
