#include "services/orders/import_set.h"

#include <optional>
#include <string>
#include <utility>

#include "common/killpoint/killpoint.h"
#include "common/outbox/outbox.h"
#include "common/pg/planning.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/orders/item_events.h"
#include "services/orders/order_commands.h"
#include "services/orders/plumbing.h"
#include "services/orders/sold_units.h"

namespace lockstep::orders {
namespace {

// Collects what one transaction writes.
struct Writes {
  std::vector<OrderWrite> orders;
  std::vector<RecordWrite> records;
  std::vector<outbox::NewEvent> events;
  ImportCounts counts;

  void Record(const ReportRow& row, ImportOutcome outcome, std::optional<OrderId> order,
              std::vector<Problem> problems = {}) {
    counts.Count(outcome, row.sale.has_value() ? &*row.sale : nullptr);
    records.push_back(
        {.row = &row, .outcome = outcome, .order = order, .problems = std::move(problems)});
  }
};

// Gives back what the catalog keeps for sales whose orders, it turns out, are for other items.
absl::Status ReleaseSurplus(pg::Tx& tx, const std::map<OrderId, StoredOrder>& stored,
                            Writes& writes) {
  std::vector<OrderId> ids;
  for (const auto& [id, order] : stored) ids.push_back(id);
  ASSIGN_OR_RETURN(const auto surplus, FindSurplusItems(tx, ids));
  for (const auto& [id, item] : surplus) {
    Order order = stored.at(id).order;
    order.inventory_item_id = item;
    writes.events.push_back(ItemEvent(order, ItemEffect::kReleased));
  }
  return absl::OkStatus();
}

// An error about the row goes into quarantine; any other ends the import.
bool IsAboutRow(const absl::Status& status) {
  return status.code() == absl::StatusCode::kFailedPrecondition ||
         status.code() == absl::StatusCode::kInvalidArgument;
}

// What one transaction knows before it decides about its rows.
struct Known {
  std::map<OrderId, StoredOrder> stored;          // locked
  std::map<InventoryItemId, Purchase> purchases;  // of the items of new orders
  UnsoldUnits unsold;                             // of every item that a row may sell
};

absl::Status AddNew(const ReportRow& row, const ResolvedItem& item, const Platform& platform,
                    Known& known, Writes& writes) {
  std::optional<Purchase> purchase;
  const auto bought = known.purchases.find(item.item);
  if (bought != known.purchases.end()) purchase = bought->second;
  Order order = NewOrder(*row.sale, platform.slug, OrderId::Generate(), item.item);
  absl::StatusOr<Order> with_profit = WithProfit(order, purchase);
  if (with_profit.ok()) {
    if (absl::Status sold = known.unsold.Take(order); !sold.ok()) with_profit = std::move(sold);
  }
  if (!with_profit.ok()) {
    if (!IsAboutRow(with_profit.status())) return with_profit.status();
    // The item that was kept for this sale is free again.
    writes.events.push_back(ItemEvent(order, ItemEffect::kReleased));
    writes.Record(row, ImportOutcome::kQuarantined, std::nullopt,
                  {ProblemFrom(with_profit.status(), "")});
    return absl::OkStatus();
  }
  if (!item.is_made_for_sale) {
    writes.events.push_back(ItemEvent(*with_profit, ItemEffect::kSold));
  }
  writes.Record(row, ImportOutcome::kInserted, with_profit->id);
  writes.orders.push_back({.order = *std::move(with_profit),
                           .is_new = true,
                           .from_status = std::nullopt,
                           .row = &row,
                           .previous = {}});
  return absl::OkStatus();
}

absl::Status AddExisting(const ReportRow& row, const StoredOrder& stored, const Platform& platform,
                         UnsoldUnits& unsold, Writes& writes) {
  const Order& before = stored.order;
  absl::StatusOr<Merge> merge =
      MergeSale(before, *row.sale, platform.slug, stored.is_same_payload, stored.purchase);
  // A report only ever completes orders.
  ItemEffect effect = ItemEffect::kNone;
  if (merge.ok()) effect = EffectOf(before.status, merge->after.status, false);
  if (effect == ItemEffect::kSold) {
    if (absl::Status sold = unsold.Take(merge->after); !sold.ok()) merge = std::move(sold);
  }
  if (!merge.ok()) {
    if (!IsAboutRow(merge.status())) return merge.status();
    writes.Record(row, ImportOutcome::kQuarantined, std::nullopt,
                  {ProblemFrom(merge.status(), "")});
    return absl::OkStatus();
  }
  switch (merge->outcome) {
    case MergeOutcome::kUnchanged:
      writes.Record(row, ImportOutcome::kUnchanged, before.id);
      return absl::OkStatus();
    case MergeOutcome::kSkipped:
      writes.Record(row, ImportOutcome::kSkipped, before.id);
      return absl::OkStatus();
    case MergeOutcome::kUpdated:
      break;
  }
  if (effect != ItemEffect::kNone) writes.events.push_back(ItemEvent(merge->after, effect));
  writes.Record(row, ImportOutcome::kUpdated, before.id);
  writes.orders.push_back({.order = std::move(merge->after),
                           .is_new = false,
                           .from_status = before.status,
                           .row = &row,
                           .previous = std::move(merge->previous)});
  return absl::OkStatus();
}

absl::StatusOr<Known> Learn(pg::Tx& tx, const PreparedSet& set) {
  std::vector<OrderId> ids;
  std::vector<std::string> payloads;
  std::vector<InventoryItemId> items;
  for (const PreparedSet::Target& target : set.targets) {
    if (target.existing.has_value()) {
      ids.push_back(*target.existing);
      payloads.push_back(set.rows[target.row].payload);
    } else if (!target.item.is_made_for_sale) {
      items.push_back(target.item.item);
    }
  }
  Known known;
  RETURN_IF_ERROR(pg::PlanAfresh(tx, true));
  ASSIGN_OR_RETURN(known.stored, LockOrders(tx, ids, payloads));
  ASSIGN_OR_RETURN(known.purchases, ReadPurchases(tx, items));
  // Also the items that were resolved just now: the catalog learns of sales later than they happen,
  // so another order may have sold one of them already.
  std::vector<InventoryItemId> for_sale;
  for (const PreparedSet::Target& target : set.targets) {
    if (!target.existing.has_value()) for_sale.push_back(target.item.item);
  }
  for (const auto& [id, stored] : known.stored) {
    if (IsCompletedByReport(stored.order.status))
      for_sale.push_back(stored.order.inventory_item_id);
  }
  ASSIGN_OR_RETURN(known.unsold, UnsoldUnits::Lock(tx, for_sale, std::nullopt));
  RETURN_IF_ERROR(pg::PlanAfresh(tx, false));
  return known;
}

absl::StatusOr<Writes> Decide(pg::Tx& tx, const Platform& platform, const PreparedSet& set) {
  ASSIGN_OR_RETURN(Known known, Learn(tx, set));
  Writes writes;
  RETURN_IF_ERROR(ReleaseSurplus(tx, known.stored, writes));
  std::size_t next = 0;
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    const ReportRow& row = set.rows[i];
    if (!row.sale.has_value()) {
      writes.Record(row, ImportOutcome::kQuarantined, std::nullopt, row.problems);
      continue;
    }
    const PreparedSet::Target& target = set.targets[next++];
    if (!target.existing.has_value()) {
      RETURN_IF_ERROR(AddNew(row, target.item, platform, known, writes));
      continue;
    }
    const auto it = known.stored.find(*target.existing);
    if (it == known.stored.end()) {
      return Error(absl::StatusCode::kAborted, "ORDER_VANISHED",
                   "an order was deleted while it was imported; import again")
          .With("order", target.existing->text());
    }
    RETURN_IF_ERROR(AddExisting(row, it->second, platform, known.unsold, writes));
  }
  return writes;
}

}  // namespace

absl::StatusOr<PreparedSet> PrepareSet(pg::Pool& pool, Catalog& catalog, const Context& context,
                                       const Platform& platform, std::vector<ReportRow> rows) {
  PreparedSet set{.rows = std::move(rows), .targets = {}};
  std::vector<const ReportedSale*> sales;
  std::vector<std::size_t> row_of_sale;
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    if (!set.rows[i].sale.has_value()) continue;
    sales.push_back(&*set.rows[i].sale);
    row_of_sale.push_back(i);
  }
  if (sales.empty()) return set;
  ASSIGN_OR_RETURN(std::vector<KnownOrder> known,
                   pool.Read(context, [&](pg::Tx& tx) -> absl::StatusOr<std::vector<KnownOrder>> {
                     RETURN_IF_ERROR(pg::PlanAfresh(tx, true));
                     return FindKnownOrders(tx, platform, sales);
                   }));

  std::vector<const ReportedSale*> unknown;
  std::vector<std::size_t> unknown_targets;
  for (std::size_t i = 0; i < sales.size(); ++i) {
    const KnownOrder& order = known[i];
    if (order.by_external_id.has_value() && order.by_number.has_value() &&
        *order.by_external_id != *order.by_number) {
      ReportRow& row = set.rows[row_of_sale[i]];
      row.sale.reset();
      row.problems.push_back({"ORDER_NUMBER_TAKEN", "Order Number",
                              "two stored orders share this number: one by its external id, one "
                              "by its StockX number"});
      continue;
    }
    PreparedSet::Target target{
        .row = row_of_sale[i],
        .existing = order.by_external_id.has_value() ? order.by_external_id : order.by_number,
        .item = {}};
    if (!target.existing.has_value()) {
      unknown.push_back(sales[i]);
      unknown_targets.push_back(set.targets.size());
    }
    set.targets.push_back(target);
  }
  if (unknown.empty()) return set;
  ASSIGN_OR_RETURN(std::vector<ResolvedItem> items,
                   catalog.ResolveSoldItems(context, platform.slug, unknown));
  Killpoint("orders.import.set_resolved");
  for (std::size_t i = 0; i < items.size(); ++i) set.targets[unknown_targets[i]].item = items[i];
  return set;
}

absl::StatusOr<ImportCounts> CommitSet(pg::Pool& pool, const Context& context,
                                       const Platform& platform, const ImportBatchId& batch,
                                       const PreparedSet& set) {
  return pool.Write(context, [&](pg::Tx& tx) -> absl::StatusOr<ImportCounts> {
    ASSIGN_OR_RETURN(Writes writes, Decide(tx, platform, set));
    RETURN_IF_ERROR(WriteOrders(tx, platform, batch, writes.orders));
    Killpoint("orders.import.orders_written");
    RETURN_IF_ERROR(WriteRecords(tx, batch, writes.records));
    if (!writes.events.empty()) {
      RETURN_IF_ERROR(outbox::AppendMany(tx, kPlumbing.outbox, writes.events));
    }
    RETURN_IF_ERROR(TouchBatch(tx, batch, writes.counts));
    Killpoint("orders.import.set_written");
    return writes.counts;
  });
}

}  // namespace lockstep::orders
