// The page_size rules of every List method.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace lockstep::paging {

inline constexpr int kDefaultPageSize = 50;
inline constexpr int kMaxPageSize = 1000;

// 0 means 50, more than 1000 means 1000. INVALID_ARGUMENT (PAGE_SIZE_NEGATIVE) on "page_size" below
// 0.
[[nodiscard]] absl::StatusOr<int> PageSize(std::int32_t requested);

}  // namespace lockstep::paging
