// When PostgreSQL plans the statements of a transaction.
#pragma once

#include "absl/status/status.h"
#include "common/pg/pool.h"

namespace lockstep::pg {

// While on, every statement of the transaction is planned for the tables as they are now: a
// prepared statement whose plan was made when a table was small would stay in use while an import
// fills it. Off for writes: the checks of foreign keys would be planned again for each row.
[[nodiscard]] absl::Status PlanAfresh(Tx& tx, bool is_on);

}  // namespace lockstep::pg
