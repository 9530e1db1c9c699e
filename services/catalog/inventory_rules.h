// What items need beyond their table: net and gross prices that agree, and what a sold item keeps
// (domain.md 6.6, F1, F2).
#pragma once

#include "lockstep/catalog/v1/inventory_service.pb.h"
#include "services/catalog/resources.h"

namespace lockstep::catalog {

[[nodiscard]] ResourceHooks<v1::InventoryItem> ItemRules();

}  // namespace lockstep::catalog
