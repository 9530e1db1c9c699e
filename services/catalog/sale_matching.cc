#include "services/catalog/sale_matching.h"

#include <functional>

#include "common/time/time.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;
using Facts = std::map<Uuid, ItemFacts>;
using Condition = std::function<bool(const ItemFacts&)>;

bool IsUsable(const ItemFacts& item) { return CanBeTaken(item.status); }
bool IsUsableOrSold(const ItemFacts& item) {
  return CanBeTaken(item.status) || item.status == ItemStatus::kSold;
}

// Gives the first item with a free unit that fulfils `condition` to the sale.
void Take(const std::vector<Uuid>& candidates, Match match, const Condition& condition,
          Facts& facts, SaleDecision& decision) {
  for (const Uuid& id : candidates) {
    const auto found = facts.find(id);
    if (found == facts.end() || found->second.free_units <= 0 || !condition(found->second))
      continue;
    --found->second.free_units;
    decision = {.match = match, .item_id = id, .takes_unit = true};
    return;
  }
}

void TakeKnown(const SaleCandidates& sale, Facts& facts, SaleDecision& decision) {
  if (sale.resolved_item.has_value()) {
    decision = {.match = Match::kKnown, .item_id = *sale.resolved_item, .takes_unit = false};
  } else if (sale.known_item.has_value()) {
    int& free_units = facts[*sale.known_item].free_units;
    decision = {.match = Match::kKnown, .item_id = *sale.known_item, .takes_unit = free_units > 0};
    if (free_units > 0) --free_units;
  }
}

bool WasBoughtBy(const ItemFacts& item, absl::Time sold_at) {
  return !item.purchase_date.has_value() ||
         time::DayOf(*item.purchase_date) <= time::DayOf(sold_at);
}

}  // namespace

std::vector<SaleDecision> MatchSales(const std::vector<SaleCandidates>& sales,
                                     const std::vector<std::vector<Uuid>>& groups, Facts& facts) {
  std::vector<SaleDecision> decisions(sales.size());
  const auto pass = [&](auto step) {
    for (std::size_t i = 0; i < sales.size(); ++i) {
      if (decisions[i].match == Match::kNone) step(sales[i], decisions[i]);
    }
  };
  pass([&](const SaleCandidates& sale, SaleDecision& decision) {
    TakeKnown(sale, facts, decision);
  });
  pass([&](const SaleCandidates& sale, SaleDecision& decision) {
    Take(sale.by_listing, Match::kListing, IsUsable, facts, decision);
  });
  pass([&](const SaleCandidates& sale, SaleDecision& decision) {
    // An item that carries this very order number may have been sold before orders were recorded.
    Take(sale.by_order_number, Match::kExternalId, IsUsableOrSold, facts, decision);
  });
  pass([&](const SaleCandidates& sale, SaleDecision& decision) {
    Take(sale.by_listing_id, Match::kExternalId, IsUsable, facts, decision);
  });
  pass([&](const SaleCandidates& sale, SaleDecision& decision) {
    if (!sale.group.has_value()) return;
    const Condition condition = [&](const ItemFacts& item) {
      return IsAvailable(item.status) && WasBoughtBy(item, sale.sold_at);
    };
    Take(groups[*sale.group], Match::kSkuSize, condition, facts, decision);
  });
  return decisions;
}

}  // namespace lockstep::catalog
