#include "common/rpc/runner.h"

#include <utility>
#include <vector>

#include "common/rpc/runner_core.h"
#include "common/status/error.h"

namespace lockstep::rpc {

Runner::Runner(RunnerOptions options)
    : core_(std::make_unique<internal::RunnerCore>(std::move(options))) {}

Runner::~Runner() { Stop(); }

const RunnerOptions& Runner::options() const { return core_->options; }

std::shared_ptr<internal::CallCore> Runner::Begin(grpc::CallbackServerContext* context,
                                                  const std::string& method, Lane lane,
                                                  const MethodOptions& method_options) {
  return std::make_shared<internal::CallCore>(*core_, context, method, lane, method_options);
}

void Runner::Dispatch(const std::shared_ptr<internal::CallCore>& core,
                      const google::protobuf::Message* request,
                      absl::AnyInvocable<absl::Status()> body,
                      absl::AnyInvocable<void(grpc::Status)> finish) {
  // Kept outside the task: the executor drops a task that it refuses, and somebody must still
  // answer.
  auto shared_finish = std::make_shared<absl::AnyInvocable<void(grpc::Status)>>(std::move(finish));
  absl::Status refused =
      core->Post([core, request, body = std::move(body), shared_finish]() mutable {
        grpc::Status status = core->End(core->RunGuarded(request, body));
        body = nullptr;  // What the handler captured must not outlive the answer.
        (*shared_finish)(std::move(status));
      });
  if (!refused.ok()) (*shared_finish)(core->End(std::move(refused)));
}

void Runner::CloseEvents() {
  std::vector<std::weak_ptr<internal::EventCore>> open;
  {
    absl::MutexLock lock(&core_->mu);
    core_->is_closing = true;
    for (const auto& [unused, stream] : core_->events) open.push_back(stream);
  }
  for (const auto& weak : open) {
    if (const auto stream = weak.lock()) stream->Close(internal::ServerStopping());
  }
}

void Runner::Stop() {
  core_->unary.Stop();
  core_->streams.Stop();
}

absl::Status internal::ServerStopping() {
  return Error(absl::StatusCode::kUnavailable, "SERVER_STOPPING",
               "this process is shutting down; call again to reach another one")
      .RetryAfter(std::chrono::milliseconds(200));
}

}  // namespace lockstep::rpc
