#include "services/catalog/page_signer.h"

#include <utility>

#include "common/status/macros.h"

namespace lockstep::catalog {

absl::StatusOr<const paging::TokenSigner*> PageSigner::Get(const Context& context) {
  {
    absl::MutexLock lock(&mu_);
    if (signer_ != nullptr) return signer_.get();
  }
  // Not under the lock: callers may meet here, and each of them may wait for the database.
  ASSIGN_OR_RETURN(paging::TokenSigner loaded,
                   paging::LoadOrCreateSigner(pool_, context, "core.signing_keys"));
  absl::MutexLock lock(&mu_);
  if (signer_ == nullptr) signer_ = std::make_unique<paging::TokenSigner>(std::move(loaded));
  return signer_.get();
}

}  // namespace lockstep::catalog
