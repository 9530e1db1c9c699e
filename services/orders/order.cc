#include "services/orders/order.h"

#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/status/error.h"

namespace lockstep::orders {
namespace {

using enum OrderStatus;

constexpr std::array<std::string_view, kOrderStatusCount> kTexts = {
    "pending",   "confirmed", "shipped",  "authenticating", "authenticated",
    "completed", "cancelled", "returned", "refunded",       "disputed"};

// Place on the way from the sale to the money; the failure states have none.
bool IsOnTheWay(OrderStatus status) { return status <= kCompleted; }

constexpr std::size_t kLongestStockxNumber = 100;

}  // namespace

std::size_t CharacterCount(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
  return count;
}

std::string_view ToText(OrderStatus status) { return kTexts.at(static_cast<std::size_t>(status)); }

absl::StatusOr<OrderStatus> OrderStatusFromText(std::string_view text) {
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    if (kTexts.at(i) == text) return static_cast<OrderStatus>(i);
  }
  return Error(absl::StatusCode::kInvalidArgument, "ORDER_STATUS_UNKNOWN",
               "the status is not one of the ten unified ones")
      .With("status", text);
}

std::vector<std::string> OrderStatusTexts() { return {kTexts.begin(), kTexts.end()}; }

bool IsFinal(OrderStatus status) {
  return status == kCancelled || status == kReturned || status == kRefunded;
}

bool CanFollow(OrderStatus from, OrderStatus to) {
  switch (from) {
    case kPending:
      return to == kConfirmed || to == kCancelled;
    case kConfirmed:
      return to == kShipped || to == kCancelled;
    case kShipped:
      return to == kAuthenticating || to == kCancelled || to == kReturned || to == kDisputed;
    case kAuthenticating:
      return to == kAuthenticated || to == kCancelled || to == kReturned || to == kDisputed;
    case kAuthenticated:
      return to == kCompleted || to == kCancelled || to == kReturned || to == kDisputed;
    case kCompleted:
      return to == kRefunded || to == kReturned || to == kDisputed;
    case kDisputed:
      return to == kCompleted || to == kRefunded || to == kCancelled;
    case kCancelled:
    case kReturned:
    case kRefunded:
      return false;
  }
  return false;
}

bool CanImportMove(OrderStatus from, OrderStatus to) {
  if (from == to || IsFinal(from)) return false;
  if (from == kDisputed) return to == kCompleted || IsFinal(to);
  if (IsOnTheWay(to)) return to > from;
  return to != kCancelled || from != kCompleted;
}

std::string EtagOf(const Order& order) {
  return absl::StrFormat("\"%x\"", absl::ToUnixMicros(order.updated_at));
}

absl::Status CheckEtag(const Order& order, std::string_view etag) {
  if (etag.empty() || etag == EtagOf(order)) return absl::OkStatus();
  return Error(absl::StatusCode::kAborted, "ETAG_MISMATCH",
               "the order has changed since it was read; read it again and redo the change")
      .With("order", order.id.text());
}

ItemEffect EffectOf(OrderStatus from, OrderStatus to, bool has_been_completed) {
  if (from == to) return ItemEffect::kNone;
  if (to == kCompleted) return ItemEffect::kSold;
  if (IsFinal(to)) return has_been_completed ? ItemEffect::kReturned : ItemEffect::kReleased;
  return ItemEffect::kNone;
}

absl::StatusOr<Order> Transition(Order order, OrderStatus to) {
  if (order.status == to) return order;
  if (IsFinal(order.status)) {
    return Error(absl::StatusCode::kFailedPrecondition, "ORDER_STATUS_FINAL",
                 "a cancelled, returned or refunded order cannot change its status")
        .With("order", order.id.text())
        .With("status", ToText(order.status));
  }
  if (!CanFollow(order.status, to)) {
    return Error(absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED",
                 "the order cannot go from its status to this one")
        .With("order", order.id.text())
        .With("from", ToText(order.status))
        .With("to", ToText(to));
  }
  if (to == kCompleted && !order.sold_at.has_value()) {
    return Error(absl::StatusCode::kFailedPrecondition, "SALE_TIME_MISSING",
                 "set sold_at before completing the order")
        .With("order", order.id.text());
  }
  order.status = to;
  return order;
}

absl::Status ValidateTexts(const Order& order) {
  struct Limit {
    const char* path;
    const std::optional<std::string>& text;
    std::size_t longest;
  };
  const std::array<Limit, 7> limits = {{
      {"order.external_id", order.external_id, 200},
      {"order.inventory_type", order.inventory_type, 50},
      {"order.shipping_label_url", order.shipping_label_url, 512},
      {"order.shipping_document_path", order.shipping_document_path, 512},
      {"order.buyer_destination_country", order.buyer_destination_country, 100},
      {"order.buyer_destination_city", order.buyer_destination_city, 200},
      {"order.notes", order.notes, 10'000},
  }};
  ErrorBuilder error(absl::StatusCode::kInvalidArgument, "ORDER_INVALID",
                     "one or more fields of the order are not acceptable");
  bool is_bad = false;
  for (const Limit& limit : limits) {
    if (!limit.text.has_value() || CharacterCount(*limit.text) <= limit.longest) continue;
    std::move(error).Field(limit.path, absl::StrFormat("at most %d characters", limit.longest));
    is_bad = true;
  }
  if (order.inventory_type.has_value() && *order.inventory_type != "STANDARD" &&
      *order.inventory_type != "FLEX" && *order.inventory_type != "DIRECT") {
    std::move(error).Field("order.inventory_type", "STANDARD, FLEX or DIRECT");
    is_bad = true;
  }
  if (order.external_id.has_value()) {
    const auto number = PlatformNumber(order.platform_slug, *order.external_id);
    if (!number.has_value()) {
      std::move(error).Field(
          "order.external_id",
          "must be the platform's slug, an underscore and the platform's order id");
      is_bad = true;
    } else if (order.platform_slug == "stockx" && CharacterCount(*number) > kLongestStockxNumber) {
      std::move(error).Field(
          "order.external_id",
          absl::StrFormat("a StockX order number has at most %d characters", kLongestStockxNumber));
      is_bad = true;
    }
  }
  return is_bad ? error.ToStatus() : absl::OkStatus();
}

std::optional<std::string> PlatformNumber(std::string_view slug, std::string_view external_id) {
  if (external_id.size() <= slug.size() + 1 || !external_id.starts_with(slug) ||
      external_id[slug.size()] != '_') {
    return std::nullopt;
  }
  return std::string(external_id.substr(slug.size() + 1));
}

}  // namespace lockstep::orders
