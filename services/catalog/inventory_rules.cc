#include "services/catalog/inventory_rules.h"

#include <optional>
#include <string>

#include "common/decimal/decimal.h"
#include "common/ids/resource_name.h"
#include "common/money/proto.h"
#include "common/status/error.h"
#include "common/time/proto.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/catalog/item_repository.h"
#include "services/catalog/vat.h"

namespace lockstep::catalog {
namespace {

using decimal::Decimal;
using money::Money;

constexpr int kVatRateScale = 2;
const char* const kPriceFields[] = {"purchase_price", "gross_purchase_price", "vat_rate"};

// The rate that was given, or Germany's on the day of purchase.
absl::StatusOr<Decimal> RateOf(const v1::InventoryItem& item) {
  if (!item.vat_rate().empty()) return Decimal::Parse(item.vat_rate());
  std::optional<absl::CivilDay> day;
  if (item.has_purchase_date()) {
    ASSIGN_OR_RETURN(const absl::Time bought,
                     time::FromProto(item.purchase_date(), "inventory_item.purchase_date"));
    day = time::DayOf(bought);
  }
  return StandardVatRate(day);
}

// Brings net price, VAT amount and rate in line with the gross price. `is_net_given`: the request
// says what the net price is, so it must be what follows.
absl::Status SettlePrices(v1::InventoryItem& item, bool is_net_given, ExtraColumns& extra) {
  if (!item.has_gross_purchase_price()) {
    extra.emplace_back("vat_amount", std::nullopt);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Money gross, money::FromProto(item.gross_purchase_price(),
                                                       "inventory_item.gross_purchase_price"));
  ASSIGN_OR_RETURN(const Decimal rate, RateOf(item));
  ASSIGN_OR_RETURN(const VatSplit split, SplitGross(gross, rate));
  if (split.net.minor() == 0) {
    return InvalidField("inventory_item.gross_purchase_price", "PRICE_NOT_POSITIVE",
                        "nothing is left of the price without VAT");
  }
  if (is_net_given && item.has_purchase_price()) {
    ASSIGN_OR_RETURN(const Money net,
                     money::FromProto(item.purchase_price(), "inventory_item.purchase_price"));
    if (net != split.net) {
      return InvalidField("inventory_item.purchase_price", "PURCHASE_PRICE_MISMATCH",
                          "the gross price and the VAT rate make it " + split.net.ToDecimalText() +
                              "; leave it out to have it computed");
    }
  }
  *item.mutable_purchase_price() = money::ToProto(split.net);
  ASSIGN_OR_RETURN(const Decimal stored_rate,
                   decimal::Rescale(rate, kVatRateScale, decimal::Rounding::kHalfAwayFromZero));
  item.set_vat_rate(stored_rate.ToText());
  extra.emplace_back("vat_amount", split.vat.ToDecimalText());
  return absl::OkStatus();
}

absl::Status CompleteNewItem(pg::Tx& /*tx*/, v1::InventoryItem& item, ExtraColumns& extra) {
  RETURN_IF_ERROR(SettlePrices(item, /*is_net_given=*/true, extra));
  // The column's default would state a VAT rate that nobody gave.
  if (item.vat_rate().empty()) extra.emplace_back("vat_rate", std::nullopt);
  return absl::OkStatus();
}

bool HasEqualField(const v1::InventoryItem& a, const v1::InventoryItem& b, const char* name) {
  const auto* field = v1::InventoryItem::descriptor()->FindFieldByName(name);
  google::protobuf::util::MessageDifferencer differencer;
  return differencer.CompareWithFields(a, b, {field}, {field});
}

// Prices of a sold item are part of its result; only one that was never known may be added.
absl::Status CheckSoldPrices(const v1::InventoryItem& before, const v1::InventoryItem& after) {
  if (before.status() != v1::INVENTORY_STATUS_SOLD) return absl::OkStatus();
  for (const char* field : kPriceFields) {
    if (!IsSet(before, field) || HasEqualField(before, after, field)) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "ITEM_SOLD", "a sold item keeps its prices")
        .With("item", before.name())
        .With("field", field);
  }
  return absl::OkStatus();
}

absl::Status SettleQuantity(pg::Tx& tx, const v1::InventoryItem& after, ExtraColumns& extra) {
  ASSIGN_OR_RETURN(const ids::Uuid id, ids::UuidFromName(after.name(), Items().name, "name"));
  ASSIGN_OR_RETURN(ItemLedger ledger, LoadLedger(tx, {id}, {}));
  const int quantity = after.has_quantity() ? after.quantity() : 1;
  RETURN_IF_ERROR(ledger.SetQuantity(id, quantity));
  extra.emplace_back("status", ToText(ledger.items().at(id).status));
  return absl::OkStatus();
}

absl::Status CompleteItem(pg::Tx& tx, const v1::InventoryItem& before,
                          const v1::InventoryItem& /*changes*/, v1::InventoryItem& after,
                          FieldSet& fields, ExtraColumns& extra) {
  bool has_price = false;
  for (const char* field : kPriceFields) has_price = has_price || fields.contains(field);
  if (has_price) {
    RETURN_IF_ERROR(SettlePrices(after, fields.contains("purchase_price"), extra));
    RETURN_IF_ERROR(CheckSoldPrices(before, after));
    if (after.has_gross_purchase_price()) fields.insert({"purchase_price", "vat_rate"});
  }
  return fields.contains("quantity") ? SettleQuantity(tx, after, extra) : absl::OkStatus();
}

}  // namespace

ResourceHooks<v1::InventoryItem> ItemRules() {
  return {
      .before_insert = CompleteNewItem,
      .before_update = CompleteItem,
  };
}

}  // namespace lockstep::catalog
