// Runs the handlers of gRPC services.
//
// gRPC's own threads are few and carry the health checks, so a handler never runs on them: `Runner`
// takes each call through one fixed chain and hands it to a bounded executor.
//
//   request id -> deadline -> limits -> (worker) still wanted? -> ValidateRequest -> handler ->
//   error details -> access log
//
// A full queue is RESOURCE_EXHAUSTED (QUEUE_FULL) with RetryInfo at once. A call that was cancelled
// or ran out of time while it waited is not run. Cancellation by the client and the passing of the
// deadline cancel the call's Context. An exception that leaves a handler becomes INTERNAL
// (INVARIANT_BROKEN).
//
//   grpc::ServerUnaryReactor* OrderService::GetOrder(grpc::CallbackServerContext* context,
//                                                    const pb::GetOrderRequest* request,
//                                                    pb::Order* response) {
//     return runner_.Unary(context, request, response,
//                          [this](const rpc::Call& call, const pb::GetOrderRequest& in)
//                              -> absl::StatusOr<pb::Order> {...});
//   }
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/rpc/call_core.h"
#include "common/rpc/event_stream.h"
#include "common/rpc/reactors.h"
#include "common/rpc/stream.h"
#include "grpcpp/grpcpp.h"

namespace lockstep::rpc {

struct RunnerOptions {
  std::string service = "lockstep";  // "orders": errors leave with the domain "orders.lockstep"
  std::size_t workers =
      4;  // unary handlers; equal to the database connections, so that nobody waits twice
  std::size_t queue_capacity = 256;  // unary calls that may wait for a worker
  std::size_t stream_workers = 4;    // streams hold a thread for long: they have their own
  std::size_t stream_queue_capacity = 16;
  absl::Duration default_deadline = absl::Seconds(30);  // for unary calls that bring none
  absl::Duration max_deadline = absl::Minutes(10);      // longer ones are cut to this
  absl::Duration default_stream_deadline = absl::Minutes(30);
  absl::Duration max_stream_deadline = absl::Hours(24);
};

// Thread-safe. Outlives the grpc::Server whose services use it.
class Runner final {
 public:
  explicit Runner(RunnerOptions options);
  // Stop().
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // `handler`: absl::StatusOr<Response>(const Call&, const Request&).
  template <typename Request, typename Response, typename Handler>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const Request* request,
                                  Response* response, Handler handler,
                                  MethodOptions method_options = {}) {
    auto core = Begin(context, MethodName<Request>(), Lane::kUnary, method_options);
    auto* reactor = new internal::UnaryReactor(core);
    Dispatch(
        core, request,
        [core, request, response, handler = std::move(handler)]() mutable -> absl::Status {
          absl::StatusOr<Response> result = handler(core->call(), *request);
          if (result.ok()) *response = *std::move(result);
          return result.status();
        },
        [reactor](grpc::Status status) { reactor->Finish(std::move(status)); });
    return reactor;
  }

  // `handler`: absl::Status(const Call&, const Request&, StreamWriter<Response>&). It holds a
  // stream worker until it returns; streams that mostly wait for events use Events().
  template <typename Response, typename Request, typename Handler>
  grpc::ServerWriteReactor<Response>* ServerStream(grpc::CallbackServerContext* context,
                                                   const Request* request, Handler handler,
                                                   MethodOptions method_options = {}) {
    auto core = Begin(context, MethodName<Request>(), Lane::kStream, method_options);
    auto* reactor = new internal::WriteReactor<Response>(core, context);
    Dispatch(
        core, request,
        [core, request, reactor, handler = std::move(handler)]() mutable -> absl::Status {
          return handler(core->call(), *request, static_cast<StreamWriter<Response>&>(*reactor));
        },
        [reactor](grpc::Status status) { reactor->DrainAndFinish(std::move(status)); });
    return reactor;
  }

  // `handler`: absl::StatusOr<Response>(const Call&, StreamReader<Request>&). It may return before
  // the last message.
  template <typename Request, typename Response, typename Handler>
  grpc::ServerReadReactor<Request>* ClientStream(grpc::CallbackServerContext* context,
                                                 Response* response, Handler handler,
                                                 MethodOptions method_options = {}) {
    auto core = Begin(context, MethodName<Request>(), Lane::kStream, method_options);
    auto* reactor = new internal::ReadReactor<Request>(core);
    Dispatch(
        core, nullptr,
        [core, reactor, response, handler = std::move(handler)]() mutable -> absl::Status {
          absl::StatusOr<Response> result =
              handler(core->call(), static_cast<StreamReader<Request>&>(*reactor));
          if (result.ok()) *response = *std::move(result);
          return result.status();
        },
        [reactor](grpc::Status status) { reactor->Finish(std::move(status)); });
    return reactor;
  }

  // A server stream fed by events: no thread belongs to it, so hundreds of watchers cost memory
  // only.
  //
  // `open`: absl::StatusOr<EventSource<Response>>(const Call&, const Request&, Wakeup), run once on
  // a unary worker. Its source is pulled for the next messages at the start and after each
  // Wakeup::Notify(), on a unary worker, never twice at the same time, and only when everything
  // before has been sent. See event_stream.h.
  template <typename Response, typename Request, typename Open>
  grpc::ServerWriteReactor<Response>* Events(grpc::CallbackServerContext* context,
                                             const Request* request, Open open,
                                             MethodOptions method_options = {}) {
    auto core = Begin(context, MethodName<Request>(), Lane::kEvents, method_options);
    return internal::EventReactor<Response>::Start(
        core,
        [core = core.get(), request,
         open = std::move(open)](Wakeup wakeup) mutable -> absl::StatusOr<EventSource<Response>> {
          return open(core->call(), *request, std::move(wakeup));
        },
        request);
  }

  // Ends every stream of Events() with UNAVAILABLE (SERVER_STOPPING), so that watchers go on
  // elsewhere and do not hold up the shutdown; later ones end at once. Server::Shutdown calls it
  // after the drain delay.
  void CloseEvents();

  // Refuses new calls (UNAVAILABLE, SERVER_STOPPING), finishes those that were accepted, joins the
  // workers. Call it after the server's shutdown.
  void Stop();

  const RunnerOptions& options() const;

 private:
  using Lane = internal::Lane;

  template <typename Request>
  static const std::string& MethodName() {
    static const std::string& name = *new std::string(MethodNameOf(*Request::descriptor()));
    return name;
  }

  std::shared_ptr<internal::CallCore> Begin(grpc::CallbackServerContext* context,
                                            const std::string& method, Lane lane,
                                            const MethodOptions& method_options);
  // Runs `body` on the executor of the call's lane, then passes its outcome to `finish`. `request`
  // may be null.
  static void Dispatch(const std::shared_ptr<internal::CallCore>& core,
                       const google::protobuf::Message* request,
                       absl::AnyInvocable<absl::Status()> body,
                       absl::AnyInvocable<void(grpc::Status)> finish);

  std::unique_ptr<internal::RunnerCore> core_;
};

}  // namespace lockstep::rpc
