#include "common/revision_gate/revision_gate.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/context/context.h"
#include "common/log/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"

namespace lockstep::revision_gate {
namespace {

namespace pb = lockstep::migration::v1;

constexpr absl::Duration kCallTimeout = absl::Seconds(2);
// Serving stops this long before the lease ends: the clocks of two machines run at slightly
// different speeds.
constexpr absl::Duration kSafetyMargin = absl::Seconds(2);

// Unique while the process lives, readable in a list.
std::string InstanceId(const GateOptions& options) {
  char host[65] = "localhost";
  gethostname(host, sizeof(host) - 1);
  return options.service + "@" + host + "/" + std::to_string(getpid()) + "/" +
         std::to_string(absl::ToUnixMicros(absl::Now()));
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration message;
  message.set_seconds(absl::ToInt64Seconds(duration));
  message.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(duration - absl::Seconds(absl::ToInt64Seconds(duration)))));
  return message;
}

void ToProto(const BuildManifest& manifest, pb::BuildManifest& message) {
  for (const SchemaUse& use : manifest.uses) {
    pb::SchemaUse& out = *message.add_uses();
    out.set_service(use.service);
    out.set_required_revision(use.required_revision);
    out.set_built_for(use.built_for);
  }
  for (const std::string& name : manifest.footprint) message.add_footprint(name);
}

}  // namespace

class RevisionGate::Impl {
 public:
  explicit Impl(GateOptions options)
      : options_(std::move(options)),
        instance_id_(InstanceId(options_)),
        stub_(pb::RegistryService::NewStub(rpc::MakeChannel(options_.migration_endpoint))),
        thread_([this] { Run(); }) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mu_);
      is_stopping_ = true;
    }
    thread_.join();
    rpc::ClientCall call(Context::WithTimeout(kCallTimeout), instance_id_, kCallTimeout);
    pb::DeregisterRequest request;
    request.set_instance_id(instance_id_);
    pb::DeregisterResponse response;
    // Best effort: the lease ends by itself soon after.
    (void)stub_->Deregister(call.context(), request, &response);
  }

  absl::Status Check() const {
    absl::MutexLock lock(&mu_);
    if (!last_error_.ok() && absl::Now() >= serve_until_) {
      return Error(absl::StatusCode::kUnavailable, "LEASE_NOT_RENEWED",
                   "the migration service did not renew this process's lease")
          .With("cause", MessageOf(last_error_));
    }
    if (!is_ready_) {
      return Error(absl::StatusCode::kFailedPrecondition, "REVISION_NOT_APPLIED",
                   "the revision that this build requires is not applied yet")
          .With("revision", options_.required_revision);
    }
    return absl::OkStatus();
  }

 private:
  void Run() {
    while (true) {
      Renew();
      absl::MutexLock lock(&mu_);
      const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return is_stopping_; };
      // Also after a failure, however ready the process was: should the lease end meanwhile,
      // serving begins again with the first heartbeat that succeeds.
      const bool is_settled = is_ready_ && last_error_.ok();
      const absl::Duration pause =
          is_settled ? options_.heartbeat_interval : options_.waiting_interval;
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping), pause)) return;
    }
  }

  // One heartbeat, or a registration when the registry does not know us (yet, or any more).
  void Renew() {
    const absl::Time sent_at = absl::Now();
    pb::Instance instance;
    absl::Status status = is_registered_ ? Heartbeat(instance) : Register(instance);
    if (status.code() == absl::StatusCode::kNotFound && is_registered_) {
      is_registered_ = false;
      status = Register(instance);
    }
    absl::MutexLock lock(&mu_);
    if (status.ok()) {
      is_registered_ = true;
      if (instance.is_ready() != is_ready_) {
        log::Info("revision_gate",
                  {{"required", options_.required_revision}, {"ready", instance.is_ready()}});
      }
      is_ready_ = instance.is_ready();
      serve_until_ = sent_at + options_.lease_ttl - std::min(kSafetyMargin, options_.lease_ttl / 4);
    } else if (last_error_.ok()) {
      log::Warn("lease_not_renewed", {{"reason", ReasonOf(status)}, {"error", MessageOf(status)}});
    }
    last_error_ = status;
  }

  absl::Status Register(pb::Instance& instance) {
    pb::RegisterRequest request;
    request.mutable_instance()->set_id(instance_id_);
    request.mutable_instance()->set_service(options_.service);
    request.mutable_instance()->set_build(options_.build);
    request.mutable_instance()->set_required_revision(options_.required_revision);
    request.mutable_instance()->set_built_for(options_.built_for);
    request.mutable_instance()->set_address(options_.address);
    *request.mutable_ttl() = ToProto(options_.lease_ttl);
    request.mutable_manifest()->set_service(options_.service);
    request.mutable_manifest()->set_build(options_.build);
    ToProto(options_.manifest, *request.mutable_manifest());
    pb::RegisterResponse response;
    rpc::ClientCall call(Context::WithTimeout(kCallTimeout), instance_id_, kCallTimeout);
    absl::Status status = rpc::FromGrpc(stub_->Register(call.context(), request, &response));
    if (status.ok()) instance = response.instance();
    return status;
  }

  absl::Status Heartbeat(pb::Instance& instance) {
    pb::HeartbeatRequest request;
    request.set_instance_id(instance_id_);
    *request.mutable_ttl() = ToProto(options_.lease_ttl);
    pb::HeartbeatResponse response;
    rpc::ClientCall call(Context::WithTimeout(kCallTimeout), instance_id_, kCallTimeout);
    absl::Status status = rpc::FromGrpc(stub_->Heartbeat(call.context(), request, &response));
    if (status.ok()) instance = response.instance();
    return status;
  }

  const GateOptions options_;
  const std::string instance_id_;
  const std::unique_ptr<pb::RegistryService::Stub> stub_;
  bool is_registered_ = false;  // used by the gate's thread only

  mutable absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool is_ready_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time serve_until_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Status last_error_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

RevisionGate::RevisionGate(GateOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

RevisionGate::~RevisionGate() = default;

absl::Status RevisionGate::Check() const { return impl_->Check(); }

}  // namespace lockstep::revision_gate
