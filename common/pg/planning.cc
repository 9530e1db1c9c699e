#include "common/pg/planning.h"

namespace lockstep::pg {

absl::Status PlanAfresh(Tx& tx, bool is_on) {
  return tx
      .Execute(is_on ? "SET LOCAL plan_cache_mode = force_custom_plan"
                     : "SET LOCAL plan_cache_mode = auto")
      .status();
}

}  // namespace lockstep::pg
