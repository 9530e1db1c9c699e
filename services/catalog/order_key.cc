#include "services/catalog/order_key.h"

#include "common/ids/resource_name.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/catalog/resource_codec.h"
#include "services/catalog/text.h"

namespace lockstep::catalog {
namespace {

constexpr int kMaxExternalIdLength = 200;

}  // namespace

void CheckOrderKey(const v1::OrderKey& key, const std::string& path, Violations& bad) {
  if (!key.order().empty()) {
    bad.Add(ids::UuidFromName(key.order(), "orders", path + ".order").status(), path + ".order");
  }
  const bool has_platform = !key.platform().empty();
  const bool has_external_id = !key.external_order_id().empty();
  if (has_platform) {
    bad.Add(KeyOf(Platforms(), key.platform(), path + ".platform").status(), path + ".platform");
  }
  if (has_platform != has_external_id) {
    bad.Add(path + (has_platform ? ".external_order_id" : ".platform"), "FIELD_REQUIRED",
            "platform and external_order_id go together");
  }
  if (CharacterCount(key.external_order_id()) > kMaxExternalIdLength) {
    bad.Add(path + ".external_order_id", "TEXT_TOO_LONG", "at most 200 characters");
  }
  if (key.order().empty() && !has_platform && !has_external_id) {
    bad.Add(path + ".order", "FIELD_REQUIRED", "an order, or a platform and an external_order_id");
  }
}

std::string PlatformSlugOf(const v1::OrderKey& key) {
  if (key.platform().empty()) return "";
  return KeyOf(Platforms(), key.platform(), "platform").value_or("");
}

absl::StatusOr<OrderRef> OrderRefOf(const v1::OrderKey& key,
                                    const std::map<std::string, ids::Uuid>& platforms) {
  OrderRef ref;
  if (!key.order().empty()) {
    ASSIGN_OR_RETURN(ref.order_id, ids::UuidFromName(key.order(), "orders", "order"));
  }
  if (!key.platform().empty()) {
    const auto found = platforms.find(PlatformSlugOf(key));
    if (found == platforms.end()) {
      return Error(absl::StatusCode::kNotFound, "PLATFORM_NOT_FOUND", "there is no such platform")
          .With("name", key.platform());
    }
    ref.platform_id = found->second;
    ref.external_order_id = key.external_order_id();
  }
  return ref;
}

}  // namespace lockstep::catalog
