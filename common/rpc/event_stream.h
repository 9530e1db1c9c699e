// Server streams that are fed by events; see Runner::Events.
//
//   return runner_.Events<pb::RunEvent>(context, request,
//       [this](const rpc::Call& call, const pb::WatchRunRequest& in, rpc::Wakeup wakeup)
//           -> absl::StatusOr<rpc::EventSource<pb::RunEvent>> {
//         auto subscription = hub_.Subscribe(run, [wakeup] { wakeup.Notify(); });
//         return [this, call, offset = in.offset(),
//                 subscription = std::move(subscription)]() mutable
//             -> absl::StatusOr<rpc::EventBatch<pb::RunEvent>> {
//           rpc::EventBatch<pb::RunEvent> batch;
//           // At most a few hundred.
//           ASSIGN_OR_RETURN(batch.messages, ReadEventsAfter(call.context(), offset));
//           if (!batch.messages.empty()) offset = batch.messages.back().offset();
//           batch.has_more = ...;
//           batch.is_end = ...;
//           return batch;
//         };
//       });
//
// Since the source reads from where it stopped, a notification never carries data and none is lost:
// one that comes while a pull runs causes another pull.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

namespace lockstep::rpc {

// What one pull gives. Keep it to a few hundred messages.
template <typename Message>
struct EventBatch {
  std::vector<Message> messages;
  bool has_more = false;  // pull again when these are sent, without waiting for a notification
  bool is_end = false;    // end the stream with OK when these are sent
};

// Called on a worker, never concurrently. An error ends the stream with it. Destroyed when the
// stream has ended, which is the place to unsubscribe. It may block as long as a unary handler may.
template <typename Message>
using EventSource = absl::AnyInvocable<absl::StatusOr<EventBatch<Message>>()>;

namespace internal {
class EventCore;
}

// Says that there may be new messages. Cheap, never blocks, does nothing once the stream has ended.
// Copyable, thread-safe.
class Wakeup final {
 public:
  explicit Wakeup(std::weak_ptr<internal::EventCore> stream) : stream_(std::move(stream)) {}
  void Notify() const;

 private:
  std::weak_ptr<internal::EventCore> stream_;
};

}  // namespace lockstep::rpc
