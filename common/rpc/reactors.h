// gRPC's reactors behind Runner: they turn gRPC's callbacks into the calls that CallCore and the
// streams understand. Each deletes itself when gRPC is done with it. gRPC's reactions never block
// here.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/call_core.h"
#include "common/rpc/event_core.h"
#include "common/rpc/event_stream.h"
#include "common/rpc/stream.h"
#include "common/rpc/validate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "grpcpp/grpcpp.h"

namespace lockstep::rpc::internal {

class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryReactor(std::shared_ptr<CallCore> core) : core_(std::move(core)) {}
  void OnCancel() override { core_->Cancel(); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<CallCore> core_;  // Shared with the task on the executor.
};

// Bounds of what waits in one stream for a slow client.
inline constexpr std::size_t kMaxQueuedMessages = 64;
inline constexpr std::size_t kMaxQueuedBytes = 256 << 10;

template <typename Response>
class WriteReactor final : public grpc::ServerWriteReactor<Response>,
                           public StreamWriter<Response> {
 public:
  WriteReactor(std::shared_ptr<CallCore> core, grpc::CallbackServerContext* server_context)
      : core_(std::move(core)), server_context_(server_context) {
    on_cancel_ = core_->call().context().OnCancel([this] {
      absl::MutexLock lock(&mu_);
      is_cancelled_ = true;
    });
  }

  absl::Status Write(Response message) override {
    const std::size_t bytes = message.ByteSizeLong();
    const Response* next = nullptr;
    {
      absl::MutexLock lock(&mu_);
      const auto has_room = [this, bytes] {
        mu_.AssertReaderHeld();
        return is_cancelled_ || is_broken_ || queue_.empty() ||
               (queue_.size() < kMaxQueuedMessages && queued_bytes_ + bytes <= kMaxQueuedBytes);
      };
      mu_.Await(absl::Condition(&has_room));
      if (is_cancelled_ || is_broken_) return WhyEnded();
      queue_.push_back(std::move(message));
      queued_bytes_ += bytes;
      if (!is_writing_) {
        is_writing_ = true;
        next = &queue_.front();
      }
    }
    // Outside the lock: gRPC may answer on this thread.
    if (next != nullptr) this->StartWrite(next);
    return absl::OkStatus();
  }

  // Sends what is queued as long as somebody reads, then ends the stream. Called once, on the
  // handler's thread.
  void DrainAndFinish(grpc::Status status) {
    bool is_stuck = false;
    {
      absl::MutexLock lock(&mu_);
      const auto is_drained = [this] {
        mu_.AssertReaderHeld();
        return is_cancelled_ || !is_writing_;
      };
      mu_.Await(absl::Condition(&is_drained));
      is_stuck = is_writing_;
      if (is_stuck) is_broken_ = true;
    }
    if (is_stuck) {
      // A write that the client does not take would never complete when only our own deadline has
      // passed.
      server_context_->TryCancel();
      absl::MutexLock lock(&mu_);
      const auto is_idle = [this] {
        mu_.AssertReaderHeld();
        return !is_writing_;
      };
      mu_.Await(absl::Condition(&is_idle));
    }
    this->Finish(std::move(status));
  }

  void OnWriteDone(bool ok) override {
    const Response* next = nullptr;
    {
      absl::MutexLock lock(&mu_);
      queued_bytes_ -= queue_.front().ByteSizeLong();
      queue_.pop_front();
      if (!ok) is_broken_ = true;
      if (is_broken_) {
        queue_.clear();
        queued_bytes_ = 0;
      }
      is_writing_ = !queue_.empty();
      if (is_writing_) next = &queue_.front();
    }
    if (next != nullptr) this->StartWrite(next);
  }
  void OnCancel() override { core_->Cancel(); }
  void OnDone() override { delete this; }

 private:
  absl::Status WhyEnded() const {
    RETURN_IF_ERROR(core_->Check());
    return Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the client stopped reading");
  }

  const std::shared_ptr<CallCore> core_;  // Shared with the task on the executor.
  grpc::CallbackServerContext* const server_context_;
  absl::Mutex mu_;
  std::deque<Response> queue_ ABSL_GUARDED_BY(mu_);  // the front is being written
  std::size_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  bool is_broken_ ABSL_GUARDED_BY(mu_) = false;
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
  Context::Registration on_cancel_;
};

template <typename Request>
class ReadReactor final : public grpc::ServerReadReactor<Request>, public StreamReader<Request> {
 public:
  explicit ReadReactor(std::shared_ptr<CallCore> core) : core_(std::move(core)) {
    on_cancel_ = core_->call().context().OnCancel([this] {
      absl::MutexLock lock(&mu_);
      is_cancelled_ = true;
    });
  }

  absl::StatusOr<std::optional<Request>> Read() override {
    StartNext();
    Request message;
    bool is_end = false;
    {
      absl::MutexLock lock(&mu_);
      const auto is_settled = [this] {
        mu_.AssertReaderHeld();
        return is_cancelled_ || !is_reading_;
      };
      mu_.Await(absl::Condition(&is_settled));
      if (is_cancelled_) return core_->Check();
      is_end = !has_message_;
      has_message_ = false;
      if (!is_end) message.Swap(&incoming_);
    }
    if (is_end) return ConfirmEnd();
    StartNext();  // One message ahead, so that the network and the handler work at the same time.
    RETURN_IF_ERROR(ValidateRequest(message));
    return std::optional<Request>(std::move(message));
  }

  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&mu_);
    is_reading_ = false;
    has_message_ = ok;
    if (!ok) is_at_end_ = true;
  }
  void OnSendInitialMetadataDone(bool ok) override {
    absl::MutexLock lock(&mu_);
    end_ = ok ? End::kReal : End::kLost;
  }
  void OnCancel() override { core_->Cancel(); }
  void OnDone() override { delete this; }

 private:
  enum class End { kUnasked, kAsked, kReal, kLost };

  void StartNext() {
    {
      absl::MutexLock lock(&mu_);
      if (is_reading_ || has_message_ || is_at_end_ || is_cancelled_) return;
      is_reading_ = true;
      incoming_.Clear();
    }
    this->StartRead(&incoming_);
  }

  // A client that dies in the middle ends the reads exactly like one that has sent all, and the
  // news of its death may come later: half a file must not pass for a whole one. Only a stream that
  // lives can take our headers.
  absl::StatusOr<std::optional<Request>> ConfirmEnd() {
    bool must_ask = false;
    {
      absl::MutexLock lock(&mu_);
      must_ask = end_ == End::kUnasked;
      if (must_ask) end_ = End::kAsked;
    }
    if (must_ask) this->StartSendInitialMetadata();
    absl::MutexLock lock(&mu_);
    const auto is_known = [this] {
      mu_.AssertReaderHeld();
      return is_cancelled_ || end_ == End::kReal || end_ == End::kLost;
    };
    mu_.Await(absl::Condition(&is_known));
    if (is_cancelled_) return core_->Check();
    if (end_ == End::kLost) {
      return Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the client went away");
    }
    return std::optional<Request>();
  }

  const std::shared_ptr<CallCore> core_;  // Shared with the task on the executor.
  absl::Mutex mu_;
  Request incoming_;  // Belongs to gRPC while is_reading_, then to mu_.
  bool is_reading_ ABSL_GUARDED_BY(mu_) = false;
  bool has_message_ ABSL_GUARDED_BY(mu_) = false;
  bool is_at_end_ ABSL_GUARDED_BY(mu_) = false;
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
  End end_ ABSL_GUARDED_BY(mu_) = End::kUnasked;
  Context::Registration on_cancel_;
};

template <typename Response>
class EventReactor final : public grpc::ServerWriteReactor<Response>, public EventCore {
 public:
  using Open = absl::AnyInvocable<absl::StatusOr<EventSource<Response>>(Wakeup)>;

  // Returns the reactor for gRPC; it keeps itself alive until OnDone.
  static grpc::ServerWriteReactor<Response>* Start(std::shared_ptr<CallCore> core, Open open,
                                                   const google::protobuf::Message* request) {
    auto reactor = std::make_shared<EventReactor>(std::move(core), std::move(open));
    reactor->self_ = reactor;
    reactor->Begin(request);
    return reactor.get();
  }
  EventReactor(std::shared_ptr<CallCore> core, Open open)
      : EventCore(std::move(core)), open_(std::move(open)) {}

  void OnWriteDone(bool ok) override { HandleWriteDone(ok); }
  void OnCancel() override { HandleCancel(); }
  void OnDone() override {
    HandleDone();
    source_ = nullptr;
    open_ = nullptr;
    const auto last = std::move(self_);
  }

 private:
  absl::Status Pull(bool& has_more, bool& is_end) override {
    if (open_ != nullptr) {
      ASSIGN_OR_RETURN(source_, std::exchange(open_, nullptr)(Wakeup(this->weak_from_this())));
    }
    ASSIGN_OR_RETURN(EventBatch<Response> batch, source_());
    for (Response& message : batch.messages) queue_.push_back(std::move(message));
    has_more = batch.has_more;
    is_end = batch.is_end;
    return absl::OkStatus();
  }
  bool HasQueued() override { return !queue_.empty(); }
  void WriteFront() override { this->StartWrite(&queue_.front()); }
  void PopFront() override { queue_.pop_front(); }
  void FinishStream(grpc::Status status) override { this->Finish(std::move(status)); }

  // Used by whoever is under way, the pull or the write, hence without a lock.
  std::deque<Response> queue_;
  Open open_;
  EventSource<Response> source_;
  std::shared_ptr<EventReactor> self_;  // gRPC's share, from Start until OnDone.
};

}  // namespace lockstep::rpc::internal
