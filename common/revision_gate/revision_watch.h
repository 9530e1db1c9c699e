// One WatchRevision stream. Internal to the gate.
#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/rpc/channel.h"
#include "grpcpp/grpcpp.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"

namespace lockstep::revision_gate {

// On the callback API: it has no thread of its own. Thread-safe.
class RevisionWatch final : public grpc::ClientReadReactor<migration::v1::WatchRevisionResponse> {
 public:
  // Calls `on_change` with whether `revision` is applied, at first and on every change, on a thread
  // of gRPC; it must not block.
  RevisionWatch(migration::v1::RegistryService::Stub& stub, const std::string& request_id,
                const std::string& revision, std::function<void(bool)> on_change);
  // Cancels the stream and waits for its end.
  ~RevisionWatch() override;

  // Whether the server has answered and goes on watching: who waits need not ask again.
  bool is_live() const;
  // Whether the stream has ended; another one may do better later.
  bool is_over() const { return done_.HasBeenNotified(); }

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  const std::function<void(bool)> on_change_;
  rpc::ClientCall call_;
  migration::v1::WatchRevisionRequest request_;
  migration::v1::WatchRevisionResponse response_;  // used by gRPC's reactions only
  mutable absl::Mutex mu_;
  bool is_live_ ABSL_GUARDED_BY(mu_) = false;
  absl::Notification done_;
};

}  // namespace lockstep::revision_gate
