#include "common/rpc/call_core.h"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "common/ids/uuid.h"
#include "common/log/log.h"
#include "common/rpc/runner_core.h"
#include "common/rpc/status.h"
#include "common/rpc/validate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::rpc {
namespace {

constexpr char kRequestIdKey[] = "x-request-id";
constexpr std::size_t kMaxRequestIdBytes = 64;
// A client's own timer ends a call a little before the deadline that we see: gRPC sends the time
// that is left with two significant digits, rounded up.
constexpr absl::Duration kClockTolerance = absl::Milliseconds(20);
constexpr int kRoundingShare = 50;

bool IsIdCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_' || c == '.' || c == ':';
}

// The deadline that the client set, or InfiniteFuture.
absl::Time ClientDeadline(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

struct Bounds {
  absl::Duration default_deadline;
  absl::Duration max_deadline;
};

Bounds BoundsOf(const RunnerOptions& options, internal::Lane lane,
                const MethodOptions& method_options) {
  const bool is_unary = lane == internal::Lane::kUnary;
  return {
      method_options.default_deadline.value_or(is_unary ? options.default_deadline
                                                        : options.default_stream_deadline),
      method_options.max_deadline.value_or(is_unary ? options.max_deadline
                                                    : options.max_stream_deadline),
  };
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context, absl::Time now,
                      const Bounds& bounds) {
  const absl::Time asked = ClientDeadline(context);
  if (asked == absl::InfiniteFuture()) {
    return now + std::min(bounds.default_deadline, bounds.max_deadline);
  }
  return std::min(asked, now + bounds.max_deadline);
}

absl::Status DeadlinePassed() {
  return Error(absl::StatusCode::kDeadlineExceeded, "DEADLINE_PASSED",
               "the call's deadline has passed");
}

}  // namespace

std::string MethodNameOf(const google::protobuf::Descriptor& request) {
  const google::protobuf::FileDescriptor& file = *request.file();
  for (int s = 0; s < file.service_count(); ++s) {
    const google::protobuf::ServiceDescriptor& service = *file.service(s);
    for (int m = 0; m < service.method_count(); ++m) {
      if (service.method(m)->input_type() == &request) {
        return service.full_name() + "/" + service.method(m)->name();
      }
    }
  }
  // The service is declared in another file: our contracts call the request <Method>Request.
  std::string name = request.full_name();
  constexpr std::string_view kSuffix = "Request";
  if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  return name;
}

std::string RequestIdFrom(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  if (const auto it = metadata.find(kRequestIdKey); it != metadata.end()) {
    const std::string_view id(it->second.data(), it->second.size());
    if (!id.empty() && id.size() <= kMaxRequestIdBytes && std::ranges::all_of(id, IsIdCharacter)) {
      return std::string(id);
    }
  }
  return ids::Uuid::Generate().text();
}

namespace internal {

CallCore::CallCore(RunnerCore& runner, grpc::CallbackServerContext* server_context,
                   std::string method, Lane lane, const MethodOptions& method_options)
    : runner_(runner),
      lane_(lane),
      started_(absl::Now()),
      call_(Context::WithDeadline(DeadlineOf(*server_context, started_,
                                             BoundsOf(runner.options, lane, method_options))),
            RequestIdFrom(*server_context), std::move(method), server_context->peer()) {
  server_context->AddInitialMetadata(kRequestIdKey, call_.request_id());
  if (call_.deadline() < ClientDeadline(*server_context)) {
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(absl::ToChronoTime(call_.deadline()), [context = call_.context()](bool has_passed) {
      if (has_passed) context.Cancel();
    });
  }
}

void CallCore::Cancel() { call_.context().Cancel(); }

absl::Status CallCore::Check() const {
  absl::Status status = call_.context().Check();
  // A passed deadline also cancels the context: the deadline is the truer reason.
  if (absl::IsCancelled(status)) {
    const absl::Duration tolerance =
        kClockTolerance + (call_.deadline() - started_) / kRoundingShare;
    if (absl::Now() + tolerance >= call_.deadline()) return DeadlinePassed();
  }
  return status;
}

absl::Status CallCore::Post(absl::AnyInvocable<void()> task) {
  Executor& executor = lane_ == Lane::kStream ? runner_.streams : runner_.unary;
  const bool is_accepted =
      executor.TryPost([this, posted = absl::Now(), task = std::move(task)]() mutable {
        queued_us_ += absl::ToInt64Microseconds(absl::Now() - posted);
        task();
      });
  if (is_accepted) return absl::OkStatus();
  // Another process may answer at once, where a queue that is full takes time.
  if (executor.is_stopping()) return ServerStopping();
  return Error(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
               "all workers are busy and the queue is full; call again a little later")
      .With("lane", lane_ == Lane::kStream ? "stream" : "unary")
      .RetryAfter(std::chrono::milliseconds(500));
}

absl::Status CallCore::RunGuarded(const google::protobuf::Message* request,
                                  absl::AnyInvocable<absl::Status()>& body) {
  RETURN_IF_ERROR(Check());
  std::string what = "unknown exception";
  try {
    if (request != nullptr) RETURN_IF_ERROR(ValidateRequest(*request));
    return body();
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {  // NOLINT(bugprone-empty-catch): reported below like the others.
  }
  log::Error("rpc_handler_threw",
             {{"method", call_.method()}, {"what", what}, {"request_id", call_.request_id()}});
  return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
               "the service failed unexpectedly; its log has the details");
}

grpc::Status CallCore::End(absl::Status status) {
  if (absl::IsCancelled(status)) {
    if (absl::Status check = Check(); absl::IsDeadlineExceeded(check)) status = std::move(check);
  }
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string reason = ReasonOf(status);
  log::Info("rpc", {{"method", call_.method()},
                    {"code", code},
                    {"reason", reason},
                    {"duration_us", absl::ToInt64Microseconds(absl::Now() - started_)},
                    {"queued_us", queued_us_.load()},
                    {"request_id", call_.request_id()},
                    {"peer", call_.peer()}});
  if (absl::IsInternal(status) || absl::IsDataLoss(status)) {
    log::Error("rpc_failed", {{"method", call_.method()},
                              {"reason", reason},
                              {"message", MessageOf(status)},
                              {"request_id", call_.request_id()}});
  }
  return ToGrpc(status, runner_.domain, call_.request_id());
}

}  // namespace internal
}  // namespace lockstep::rpc
