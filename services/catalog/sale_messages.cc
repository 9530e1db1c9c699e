#include "services/catalog/sale_messages.h"

#include <set>
#include <string>
#include <utility>

#include "common/ids/resource_name.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "services/catalog/resource_codec.h"
#include "services/catalog/text.h"
#include "services/catalog/violations.h"

namespace lockstep::catalog {
namespace {

constexpr int kMaxSales = 1000;
constexpr int kMaxExternalIdLength = 200;
constexpr int kMaxListingIdLength = 255;
constexpr int kMaxSkuLength = 100;
constexpr int kMaxNameLength = 255;

void CheckLength(std::string_view text, int max_length, const std::string& path, Violations& bad) {
  if (CharacterCount(text) > max_length) {
    bad.Add(path, "TEXT_TOO_LONG", "at most " + std::to_string(max_length) + " characters");
  }
}

// Takes the value, or adds what is wrong with it.
template <typename T, typename Target>
void Take(absl::StatusOr<T> value, const std::string& path, Violations& bad, Target& target) {
  if (value.ok()) {
    target = *std::move(value);
  } else {
    bad.Add(value.status(), path);
  }
}

Sale SaleFromProto(const v1::SaleToResolve& in, const std::string& path, Violations& bad) {
  Sale sale;
  Take(KeyOf(Platforms(), in.platform(), path + ".platform"), path + ".platform", bad,
       sale.platform);
  sale.external_order_id = in.external_order_id();
  CheckLength(sale.external_order_id, kMaxExternalIdLength, path + ".external_order_id", bad);
  sale.listing_id = in.listing_id();
  CheckLength(sale.listing_id, kMaxListingIdLength, path + ".listing_id", bad);
  sale.item_name = CollapseSpace(in.item_name());
  CheckLength(sale.item_name, kMaxNameLength, path + ".item_name", bad);
  if (sale.item_name.empty()) {
    bad.Add(path + ".item_name", "FIELD_REQUIRED", "not only white space");
  }
  sale.sku = SkuOf(in.sku(), in.item_name());
  CheckLength(sale.sku, kMaxSkuLength, path + ".sku", bad);
  sale.size = ParseSize(in.size_text());
  CheckLength(sale.size.value, kMaxSizeCharacters, path + ".size_text", bad);
  Take(time::FromProto(in.sold_at(), path + ".sold_at"), path + ".sold_at", bad, sale.sold_at);
  if (!in.known_item().empty()) {
    Take(ids::UuidFromName(in.known_item(), Items().name, path + ".known_item"),
         path + ".known_item", bad, sale.known_item);
  }
  return sale;
}

v1::SaleMatch ToProto(Match match) {
  switch (match) {
    case Match::kKnown:
      return v1::SALE_MATCH_KNOWN;
    case Match::kListing:
      return v1::SALE_MATCH_LISTING;
    case Match::kExternalId:
      return v1::SALE_MATCH_EXTERNAL_ID;
    case Match::kSkuSize:
      return v1::SALE_MATCH_SKU_SIZE;
    case Match::kPlaceholder:
      return v1::SALE_MATCH_PLACEHOLDER;
    case Match::kNone:
      break;
  }
  return v1::SALE_MATCH_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<std::vector<Sale>> SalesFromProto(const v1::ResolveSoldItemsRequest& request) {
  if (request.sales_size() < 1 || request.sales_size() > kMaxSales) {
    return InvalidField("sales", "SALES_OUT_OF_RANGE", "1 to 1000 sales in one call");
  }
  Violations bad;
  std::vector<Sale> sales;
  std::set<std::pair<std::string, std::string>> seen;
  for (int i = 0; i < request.sales_size(); ++i) {
    const std::string path = "sales[" + std::to_string(i) + "]";
    sales.push_back(SaleFromProto(request.sales(i), path, bad));
    if (!seen.emplace(sales.back().platform, sales.back().external_order_id).second) {
      bad.Add(path + ".external_order_id", "SALE_REPEATED", "each sale once in a call");
    }
  }
  RETURN_IF_ERROR(bad.ToStatus());
  return sales;
}

absl::StatusOr<v1::ResolveSoldItemsResponse> ResolvedToProto(const std::vector<Sale>& sales,
                                                             const std::vector<SoldItem>& items) {
  v1::ResolveSoldItemsResponse response;
  for (std::size_t i = 0; i < items.size(); ++i) {
    v1::ResolvedSale& out = *response.add_sales();
    out.set_external_order_id(sales[i].external_order_id);
    out.set_inventory_item(Items().name + "/" + items[i].item_id.text());
    out.set_match(ToProto(items[i].match));
    const ItemFacts& facts = items[i].facts;
    out.set_is_placeholder(facts.is_placeholder);
    if (facts.purchase_price.has_value()) {
      ASSIGN_OR_RETURN(const money::Money price,
                       money::ParseMoney(*facts.purchase_price, money::kEur));
      *out.mutable_purchase_price() = money::ToProto(price);
    }
    if (facts.purchase_date.has_value()) {
      *out.mutable_purchase_date() = time::ToProto(*facts.purchase_date);
    }
  }
  return response;
}

}  // namespace lockstep::catalog
