#include "common/revision_gate/revision_watch.h"

#include <utility>

#include "common/context/context.h"

namespace lockstep::revision_gate {
namespace {

// A server ends streams itself that last too long; the gate then opens another one.
constexpr absl::Duration kLongest = absl::Hours(1);

}  // namespace

RevisionWatch::RevisionWatch(migration::v1::RegistryService::Stub& stub,
                             const std::string& request_id, const std::string& revision,
                             std::function<void(bool)> on_change)
    : on_change_(std::move(on_change)),
      call_(Context::WithTimeout(kLongest), request_id, kLongest) {
  // Without a service: a build may require a revision of another one.
  request_.set_revision(revision);
  stub.async()->WatchRevision(call_.context(), &request_, this);
  StartRead(&response_);
  StartCall();
}

RevisionWatch::~RevisionWatch() {
  call_.context()->TryCancel();
  done_.WaitForNotification();
}

bool RevisionWatch::is_live() const {
  absl::MutexLock lock(&mu_);
  return is_live_;
}

void RevisionWatch::OnReadDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    is_live_ = ok;
  }
  if (!ok) return;
  on_change_(response_.is_applied());
  StartRead(&response_);
}

void RevisionWatch::OnDone(const grpc::Status&) { done_.Notify(); }

}  // namespace lockstep::revision_gate
