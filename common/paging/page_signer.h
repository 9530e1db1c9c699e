// The signer of page tokens, loaded at first use: a process may start before its database is there.
#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/context/context.h"
#include "common/paging/page_token.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"

namespace lockstep::paging {

// Thread-safe.
class PageSigner final {
 public:
  // `table` is S.signing_keys; `pool` must outlive this object.
  PageSigner(pg::Pool& pool, pg::TableName table) : pool_(pool), table_(table) {}

  // The signer with the keys of the table; lives as long as this object. Errors: those of
  // LoadOrCreateSigner; the next call tries again.
  [[nodiscard]] absl::StatusOr<const TokenSigner*> Get(const Context& context);

 private:
  pg::Pool& pool_;
  const pg::TableName table_;
  absl::Mutex mu_;
  std::unique_ptr<const TokenSigner> signer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lockstep::paging
