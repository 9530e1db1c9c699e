#include "common/paging/page_signer.h"

#include <utility>

#include "common/status/macros.h"

namespace lockstep::paging {

absl::StatusOr<const TokenSigner*> PageSigner::Get(const Context& context) {
  {
    absl::MutexLock lock(&mu_);
    if (signer_ != nullptr) return signer_.get();
  }
  // Not under the lock: callers may meet here, and each of them may wait for the database.
  ASSIGN_OR_RETURN(TokenSigner loaded, LoadOrCreateSigner(pool_, context, table_));
  absl::MutexLock lock(&mu_);
  if (signer_ == nullptr) signer_ = std::make_unique<TokenSigner>(std::move(loaded));
  return signer_.get();
}

}  // namespace lockstep::paging
