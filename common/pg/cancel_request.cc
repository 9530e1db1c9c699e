#include "common/pg/cancel_request.h"

#include <libpq-fe.h>

#include <system_error>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace lockstep::pg {

struct CancelRequest::Shared {
  explicit Shared(pg_conn* connection) : cancel(PQgetCancel(connection)) {}
  ~Shared() { PQfreeCancel(cancel); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  // The server's address and the session's key: libpq's own copy, which PQcancel only reads.
  PGcancel* const cancel;
  absl::Mutex mu;
  bool is_under_way ABSL_GUARDED_BY(mu) = false;
};

CancelRequest::CancelRequest(pg_conn* connection) : shared_(std::make_shared<Shared>(connection)) {}

void CancelRequest::Send(absl::Duration wait) {
  if (shared_->cancel == nullptr) return;
  absl::MutexLock lock(&shared_->mu);
  if (!shared_->is_under_way) {
    try {
      std::thread([shared = shared_] {
        char reason[256];
        PQcancel(shared->cancel, reason, sizeof(reason));
        absl::MutexLock done(&shared->mu);
        shared->is_under_way = false;
      }).detach();
    } catch (const std::system_error&) {
      return;  // no thread to be had just now: whoever needs the cancellation asks again
    }
    shared_->is_under_way = true;
  }
  const auto is_done = [shared = shared_.get()] {
    shared->mu.AssertReaderHeld();
    return !shared->is_under_way;
  };
  shared_->mu.AwaitWithTimeout(absl::Condition(&is_done), wait);
}

}  // namespace lockstep::pg
