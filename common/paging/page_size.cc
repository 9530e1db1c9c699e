#include "common/paging/page_size.h"

#include <algorithm>

#include "common/status/error.h"

namespace lockstep::paging {

absl::StatusOr<int> PageSize(std::int32_t requested) {
  if (requested < 0) {
    return InvalidField("page_size", "PAGE_SIZE_NEGATIVE",
                        "must be 0 (the default of 50) or from 1 to 1000");
  }
  if (requested == 0) return kDefaultPageSize;
  return std::min(requested, kMaxPageSize);
}

}  // namespace lockstep::paging
