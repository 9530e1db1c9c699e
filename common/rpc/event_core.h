// The state machine behind Runner::Events, without message types. Used by EventReactor only.
#pragma once

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/context/context.h"
#include "common/rpc/call_core.h"
#include "grpcpp/alarm.h"

namespace lockstep::rpc::internal {

// At any time at most one of these is under way: a pull on a worker, or a write by gRPC.
// Thread-safe.
class EventCore : public std::enable_shared_from_this<EventCore> {
 public:
  explicit EventCore(std::shared_ptr<CallCore> call) : call_(std::move(call)) {}
  virtual ~EventCore() = default;

  // Asks for a pull.
  void Notify();
  // Ends the stream with `status` as soon as nothing is under way.
  void Close(absl::Status status);

 protected:
  CallCore& call() { return *call_; }
  // Registers with the runner and posts the first pull, which opens the source.
  void Begin(const google::protobuf::Message* request);
  void HandleCancel();
  void HandleWriteDone(bool ok);
  void HandleDone();

  // Fetches messages into the subclass's queue, opening the source first when it is not open. Sets
  // `has_more`, `is_end`.
  virtual absl::Status Pull(bool& has_more, bool& is_end) = 0;
  virtual bool HasQueued() = 0;
  virtual void WriteFront() = 0;
  virtual void PopFront() = 0;
  virtual void FinishStream(grpc::Status status) = 0;

 private:
  // Decides what to do next and does it.
  void Step();
  void PostPull();
  void RunPull();
  void EndRetryWait();

  const std::shared_ptr<CallCore> call_;  // Shared with the reactor's tasks.
  const google::protobuf::Message* request_ = nullptr;
  absl::Mutex mu_;
  bool is_wanted_ ABSL_GUARDED_BY(mu_) = true;
  bool is_pulling_ ABSL_GUARDED_BY(mu_) = false;
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  bool is_waiting_to_retry_ ABSL_GUARDED_BY(mu_) = false;
  bool is_broken_ ABSL_GUARDED_BY(mu_) = false;  // nobody reads: what is queued is lost
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
  bool is_opened_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // after what is queued
  std::unique_ptr<grpc::Alarm> retry_ ABSL_GUARDED_BY(mu_);
  Context::Registration on_cancel_;
};

}  // namespace lockstep::rpc::internal
