// The signer of page tokens, loaded at first use: a process may start before its database is there.
#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/context/context.h"
#include "common/paging/page_token.h"
#include "common/pg/pool.h"

namespace lockstep::catalog {

// Thread-safe.
class PageSigner final {
 public:
  explicit PageSigner(pg::Pool& pool) : pool_(pool) {}

  // The signer with the keys of core.signing_keys; lives as long as this object.
  [[nodiscard]] absl::StatusOr<const paging::TokenSigner*> Get(const Context& context);

 private:
  pg::Pool& pool_;
  absl::Mutex mu_;
  std::unique_ptr<const paging::TokenSigner> signer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lockstep::catalog
