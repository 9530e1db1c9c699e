#include "common/rpc/event_core.h"

#include <chrono>
#include <utility>

#include "common/rpc/event_stream.h"
#include "common/rpc/runner_core.h"
#include "common/status/error.h"

namespace lockstep::rpc {

void Wakeup::Notify() const {
  if (const auto stream = stream_.lock()) stream->Notify();
}

namespace internal {
namespace {

// How long a watcher waits when no worker was free for its pull.
constexpr std::chrono::milliseconds kRetryDelay(50);

}  // namespace

void EventCore::Notify() {
  {
    absl::MutexLock lock(&mu_);
    is_wanted_ = true;
  }
  Step();
}

void EventCore::Close(absl::Status status) {
  {
    absl::MutexLock lock(&mu_);
    if (!end_.has_value()) end_ = std::move(status);
  }
  Step();
}

void EventCore::Begin(const google::protobuf::Message* request) {
  request_ = request;
  bool is_closing = false;
  {
    RunnerCore& runner = call_->runner();
    absl::MutexLock lock(&runner.mu);
    is_closing = runner.is_closing;
    if (!is_closing) runner.events.emplace(this, weak_from_this());
  }
  on_cancel_ = call_->call().context().OnCancel([weak = weak_from_this()] {
    if (const auto stream = weak.lock()) stream->Step();
  });
  if (is_closing) return Close(ServerStopping());
  Step();
}

void EventCore::HandleCancel() { call_->Cancel(); }

void EventCore::HandleWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    is_writing_ = false;
    PopFront();
    if (!ok && !end_.has_value()) {
      end_ = Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the client stopped reading");
    }
    if (!ok) is_broken_ = true;
  }
  Step();
}

void EventCore::HandleDone() {
  on_cancel_ = Context::Registration();
  RunnerCore& runner = call_->runner();
  absl::MutexLock lock(&runner.mu);
  runner.events.erase(this);
}

void EventCore::Step() {
  enum class Action { kNone, kWrite, kPull, kFinish };
  Action action = Action::kNone;
  absl::Status end;
  {
    absl::MutexLock lock(&mu_);
    if (is_finished_ || is_pulling_ || is_writing_) return;
    if (absl::Status status = call_->Check(); !status.ok()) {
      end_ = std::move(status);
      is_broken_ = true;
    }
    if (!is_broken_ && HasQueued()) {
      action = Action::kWrite;
      is_writing_ = true;
    } else if (end_.has_value()) {
      action = Action::kFinish;
      is_finished_ = true;
      end = *end_;
      retry_.reset();
    } else if (is_wanted_ && !is_waiting_to_retry_) {
      action = Action::kPull;
      is_wanted_ = false;
      is_pulling_ = true;
    }
  }
  switch (action) {
    case Action::kNone:
      return;
    case Action::kWrite:
      return WriteFront();
    case Action::kPull:
      return PostPull();
    case Action::kFinish:
      return FinishStream(call_->End(std::move(end)));
  }
}

void EventCore::PostPull() {
  absl::Status refused = call_->Post([self = shared_from_this()] { self->RunPull(); });
  if (refused.ok()) return;
  {
    absl::MutexLock lock(&mu_);
    is_pulling_ = false;
    if (is_opened_ && !absl::IsUnavailable(refused)) {
      // A watcher that is served already waits for a worker instead of being sent away.
      is_wanted_ = true;
      is_waiting_to_retry_ = true;
      retry_ = std::make_unique<grpc::Alarm>();
      retry_->Set(std::chrono::system_clock::now() + kRetryDelay, [weak = weak_from_this()](bool) {
        if (const auto stream = weak.lock()) stream->EndRetryWait();
      });
    } else if (!end_.has_value()) {
      end_ = std::move(refused);
    }
  }
  Step();
}

void EventCore::EndRetryWait() {
  {
    absl::MutexLock lock(&mu_);
    is_waiting_to_retry_ = false;
  }
  Step();
}

void EventCore::RunPull() {
  bool has_more = false;
  bool is_end = false;
  bool is_opened = false;
  {
    absl::MutexLock lock(&mu_);
    is_opened = std::exchange(is_opened_, true);
  }
  absl::AnyInvocable<absl::Status()> body = [&] { return Pull(has_more, is_end); };
  absl::Status status = call_->RunGuarded(is_opened ? nullptr : request_, body);
  {
    absl::MutexLock lock(&mu_);
    is_pulling_ = false;
    if (has_more) is_wanted_ = true;
    if (!end_.has_value() && (is_end || !status.ok())) end_ = std::move(status);
  }
  Step();
}

}  // namespace internal
}  // namespace lockstep::rpc
