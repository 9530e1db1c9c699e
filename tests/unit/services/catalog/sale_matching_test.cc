#include "services/catalog/sale_matching.h"

#include "gtest/gtest.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;

const absl::Time kSoldAt =
    absl::FromCivil(absl::CivilSecond(2024, 2, 1, 12, 0, 0), absl::UTCTimeZone());

class MatchSalesTest : public ::testing::Test {
 protected:
  Uuid Item(ItemStatus status = ItemStatus::kInStock, int free_units = 1,
            std::optional<absl::Time> bought = std::nullopt) {
    const Uuid id = Uuid::Generate();
    ItemFacts& facts = facts_[id];
    facts.status = status;
    facts.free_units = free_units;
    facts.purchase_date = bought;
    return id;
  }

  SaleCandidates& Sale() {
    sales_.emplace_back().sold_at = kSoldAt;
    return sales_.back();
  }

  std::vector<SaleDecision> Match() { return MatchSales(sales_, groups_, facts_); }

  std::map<Uuid, ItemFacts> facts_;
  std::vector<SaleCandidates> sales_;
  std::vector<std::vector<Uuid>> groups_;
};

TEST_F(MatchSalesTest, TakesTheFirstRuleThatApplies) {
  const Uuid listed = Item();
  const Uuid numbered = Item();
  const Uuid noted = Item();
  const Uuid grouped = Item();
  groups_ = {{grouped}};
  SaleCandidates& sale = Sale();
  sale.by_listing = {listed};
  sale.by_order_number = {numbered};
  sale.by_listing_id = {noted};
  sale.group = 0;

  EXPECT_EQ(Match()[0].item_id, listed);
  EXPECT_EQ(Match()[0].item_id, numbered);
  EXPECT_EQ(Match()[0].item_id, noted);
  EXPECT_EQ(Match()[0].match, Match::kSkuSize);
  EXPECT_EQ(Match()[0].match, Match::kNone);
}

TEST_F(MatchSalesTest, KeepsWhatIsKnownEvenWithoutAFreeUnit) {
  const Uuid taken = Item(ItemStatus::kSold, 0);
  Sale().resolved_item = taken;
  Sale().known_item = taken;

  const std::vector<SaleDecision> decisions = Match();

  for (const SaleDecision& decision : decisions) {
    EXPECT_EQ(decision.match, Match::kKnown);
    EXPECT_EQ(decision.item_id, taken);
    EXPECT_FALSE(decision.takes_unit);
  }
}

TEST_F(MatchSalesTest, GivesNoSaleTheItemThatAnotherRefersTo) {
  const Uuid item = Item();
  groups_ = {{item}};
  Sale().group = 0;
  Sale().by_listing = {item};

  const std::vector<SaleDecision> decisions = Match();

  EXPECT_EQ(decisions[0].match, Match::kNone);
  EXPECT_EQ(decisions[1].match, Match::kListing);
}

TEST_F(MatchSalesTest, GivesEachUnitOnce) {
  groups_ = {{Item(ItemStatus::kInStock, 2), Item()}};
  for (int i = 0; i < 4; ++i) Sale().group = 0;

  const std::vector<SaleDecision> decisions = Match();

  EXPECT_EQ(decisions[0].item_id, groups_[0][0]);
  EXPECT_EQ(decisions[1].item_id, groups_[0][0]);
  EXPECT_EQ(decisions[2].item_id, groups_[0][1]);
  EXPECT_EQ(decisions[3].match, Match::kNone);
}

TEST_F(MatchSalesTest, PassesOverItemsThatCannotBeTheOne) {
  const Uuid bought_later = Item(ItemStatus::kInStock, 1, kSoldAt + absl::Hours(13));
  const Uuid reserved = Item(ItemStatus::kReserved);
  const Uuid same_day = Item(ItemStatus::kListedEbay, 1, kSoldAt + absl::Hours(1));
  groups_ = {{bought_later, reserved, same_day}};
  Sale().group = 0;

  EXPECT_EQ(Match()[0].item_id, same_day);
}

TEST_F(MatchSalesTest, AcceptsSoldItemsByTheirOrderNumberOnly) {
  const Uuid sold = Item(ItemStatus::kSold);
  Sale().by_listing = {sold};
  Sale().by_listing_id = {sold};
  EXPECT_EQ(Match()[0].match, Match::kNone);

  sales_[0].by_order_number = {sold};
  EXPECT_EQ(Match()[0].match, Match::kExternalId);
}

}  // namespace
}  // namespace lockstep::catalog
