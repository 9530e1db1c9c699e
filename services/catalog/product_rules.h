// What products, brands, categories and sizes need beyond their tables (domain.md 2.3, 6.6).
#pragma once

#include "lockstep/catalog/v1/product_service.pb.h"
#include "services/catalog/resources.h"

namespace lockstep::catalog {

// The brand is derived from the name when it is not given; SKUs that mean "none" are refused.
[[nodiscard]] ResourceHooks<v1::Product> ProductRules();
// Slug from the name; patterns.
[[nodiscard]] ResourceHooks<v1::Brand> BrandRules();
// The path of names, also of the categories below.
[[nodiscard]] ResourceHooks<v1::Category> CategoryRules();
// The number in the value.
[[nodiscard]] ResourceHooks<v1::Size> SizeRules();

}  // namespace lockstep::catalog
