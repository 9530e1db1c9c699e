#include "common/revision_gate/revision_gate.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/context/context.h"
#include "common/log/log.h"
#include "common/revision_gate/instance.h"
#include "common/revision_gate/lease_clock.h"
#include "common/revision_gate/revision_watch.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"

namespace lockstep::revision_gate {
namespace {

namespace pb = lockstep::migration::v1;

constexpr absl::Duration kCallTimeout = absl::Seconds(2);
// How long statements get to end when they are cancelled for another reason than the lease's end.
constexpr std::chrono::milliseconds kCancelGrace(1000);
constexpr std::chrono::seconds kLongestLook(1);

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration message;
  message.set_seconds(absl::ToInt64Seconds(duration));
  message.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(duration - absl::Seconds(absl::ToInt64Seconds(duration)))));
  return message;
}

absl::Status NoLease(const std::string& cause) {
  return Error(absl::StatusCode::kUnavailable, "LEASE_NOT_RENEWED",
               "this process may not serve: the migration service did not renew its lease; try "
               "another one, or again later")
      .With("cause", cause)
      .RetryAfter(std::chrono::seconds(1));
}

GateOptions Completed(GateOptions options) {
  if (options.instance_id.empty()) options.instance_id = NewInstanceId(options.service);
  return options;
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

absl::Status NoLeaseYet() { return NoLease("it has not registered yet"); }

// Two threads, so that an answer that does not come holds up nothing: one renews the lease, the
// other opens and closes the pools when it is time. Their waits go by the monotonic clock, which
// absl's timed waits do not.
class RevisionGate::Impl {
 public:
  explicit Impl(GateOptions options)
      : options_(Completed(std::move(options))),
        stub_(pb::RegistryService::NewStub(rpc::MakeChannel(options_.migration_endpoint))),
        lease_(absl::ToChronoNanoseconds(options_.lease_ttl)),
        renewer_([this] { KeepRenewing(); }),
        warden_([this] { KeepWatch(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mu_);
      is_stopping_ = true;
    }
    changed_.notify_all();
    renewer_.join();
    warden_.join();
    watch_.reset();
    // Whoever counts on the lease's end may count on this as well: nothing more comes from here.
    if (options_.access != nullptr) {
      options_.access->Suspend(NoLease("the process is going away"), kCancelGrace);
    }
    rpc::ClientCall call(Context::WithTimeout(kCallTimeout), options_.instance_id, kCallTimeout);
    pb::DeregisterRequest request;
    request.set_instance_id(options_.instance_id);
    pb::DeregisterResponse response;
    // Best effort: the lease ends by itself soon after.
    (void)stub_->Deregister(call.context(), request, &response);
  }

  absl::Status Check() const {
    const std::lock_guard lock(mu_);
    if (lease_.At(Monotonic::now()) != LeasePhase::kServing) return WhyNoLease();
    if (!is_ready_) {
      return Error(absl::StatusCode::kFailedPrecondition, "REVISION_NOT_APPLIED",
                   "the revision that this build requires is not applied yet")
          .With("revision", options_.required_revision);
    }
    return absl::OkStatus();
  }

 private:
  // What this process may do; what the warden brings about.
  struct Permission {
    bool may_serve = false;
    bool may_use_database = false;
    bool operator==(const Permission&) const = default;
  };

  // --- the renewer ---

  void KeepRenewing() {
    while (true) {
      Renew();
      WatchRevision();
      std::unique_lock lock(mu_);
      const bool is_told = watch_ != nullptr && watch_->is_live();
      // After a failure soon again, however ready the process was: should the lease end meanwhile,
      // serving begins again with the first heartbeat that succeeds.
      // A build that a contract has retired will not be let in soon.
      const bool is_settled =
          last_error_.ok() ? is_ready_ || is_told : ReasonOf(last_error_) == "BUILD_RETIRED";
      const auto pause = absl::ToChronoNanoseconds(is_settled ? options_.heartbeat_interval
                                                              : options_.waiting_interval);
      changed_.wait_for(lock, pause, [this] { return is_stopping_ || is_heartbeat_due_; });
      if (is_stopping_) return;
      is_heartbeat_due_ = false;
    }
  }

  // One heartbeat, or a registration when the registry does not know us (yet, or any more).
  void Renew() {
    Monotonic::time_point sent_at = Monotonic::now();
    pb::Instance instance;
    absl::Status status = is_registered_ ? Heartbeat(instance) : Register(instance);
    if (status.code() == absl::StatusCode::kNotFound && is_registered_) {
      is_registered_ = false;
      sent_at = Monotonic::now();
      status = Register(instance);
    }
    is_registered_ = is_registered_ || status.ok();
    {
      const std::lock_guard lock(mu_);
      if (status.ok()) {
        if (instance.is_ready() != is_ready_) {
          log::Info("revision_gate",
                    {{"required", options_.required_revision}, {"ready", instance.is_ready()}});
        }
        is_ready_ = instance.is_ready();
        lease_.Renew(sent_at);
      } else if (last_error_.ok()) {
        log::Warn("lease_not_renewed",
                  {{"reason", ReasonOf(status)}, {"error", MessageOf(status)}});
      }
      last_error_ = status;
    }
    changed_.notify_all();
  }

  // Sees to it that a stream tells when the required revision comes or goes. A server that has no
  // such stream, or does not know the revision yet, is asked by heartbeats.
  void WatchRevision() {
    if (options_.required_revision.empty()) return;
    if (watch_ != nullptr && !watch_->is_over()) return;
    {
      const std::lock_guard lock(mu_);
      if (!last_error_.ok()) return;
    }
    watch_.reset();
    watch_ = std::make_unique<RevisionWatch>(*stub_, options_.instance_id,
                                             options_.required_revision, [this](bool is_applied) {
                                               {
                                                 const std::lock_guard lock(mu_);
                                                 if (is_applied == is_ready_) return;
                                                 // The heartbeat's answer is the one that counts:
                                                 // it is given with the lease.
                                                 is_heartbeat_due_ = true;
                                               }
                                               changed_.notify_all();
                                             });
  }

  absl::Status Register(pb::Instance& instance) {
    pb::RegisterRequest request;
    request.mutable_instance()->set_id(options_.instance_id);
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
    rpc::ClientCall call(Context::WithTimeout(kCallTimeout), options_.instance_id, kCallTimeout);
    absl::Status status = rpc::FromGrpc(stub_->Register(call.context(), request, &response));
    if (status.ok()) instance = response.instance();
    return status;
  }

  absl::Status Heartbeat(pb::Instance& instance) {
    pb::HeartbeatRequest request;
    request.set_instance_id(options_.instance_id);
    *request.mutable_ttl() = ToProto(options_.lease_ttl);
    pb::HeartbeatResponse response;
    rpc::ClientCall call(Context::WithTimeout(kCallTimeout), options_.instance_id, kCallTimeout);
    absl::Status status = rpc::FromGrpc(stub_->Heartbeat(call.context(), request, &response));
    if (status.ok()) instance = response.instance();
    return status;
  }

  // --- the warden ---

  void KeepWatch() {
    Permission given;
    std::unique_lock lock(mu_);
    while (!is_stopping_) {
      const Monotonic::time_point now = Monotonic::now();
      const Permission due = PermissionAt(now);
      if (due != given) {
        const absl::Status why_closed = due.may_use_database ? absl::OkStatus() : WhyClosed(now);
        const auto grace = lease_.At(now) == LeasePhase::kClosed && lease_.is_granted()
                               ? lease_.AllClosedBy() - now
                               : kCancelGrace;
        lock.unlock();
        Bring(given, due, why_closed, std::chrono::duration_cast<std::chrono::milliseconds>(grace));
        given = due;
        lock.lock();
        continue;
      }
      const auto has_news = [this, given] {
        return is_stopping_ || PermissionAt(Monotonic::now()) != given;
      };
      if (const auto next = lease_.NextChange(now); next.has_value()) {
        // A renewal moves the time: it is looked at again then, and that is soon enough. Waiting
        // stands still while the machine is suspended, so it looks once a second.
        changed_.wait_for(lock, std::min<Monotonic::duration>(*next - now, kLongestLook), has_news);
      } else {
        changed_.wait(lock, has_news);
      }
    }
  }

  Permission PermissionAt(Monotonic::time_point now) const {
    const LeasePhase phase = lease_.At(now);
    return {.may_serve = is_ready_ && phase == LeasePhase::kServing,
            .may_use_database = is_ready_ && phase != LeasePhase::kClosed};
  }

  // Goes from one permission to the other. Going down: not ready first, then the pools.
  void Bring(const Permission& from, const Permission& to, const absl::Status& why_closed,
             std::chrono::milliseconds grace) {
    if (from.may_serve && !to.may_serve) {
      log::Warn("serving_stopped", {{"why", Check()}});
      if (options_.on_change) options_.on_change();
    }
    if (options_.access != nullptr && from.may_use_database != to.may_use_database) {
      if (to.may_use_database) {
        options_.access->Resume();
      } else {
        options_.access->Suspend(why_closed, grace);
        log::Warn("pools_closed", {{"why", why_closed}});
      }
    }
    if (!from.may_serve && to.may_serve) {
      log::Info("serving_allowed");
      if (options_.on_change) options_.on_change();
    }
  }

  absl::Status WhyNoLease() const {
    if (!lease_.is_granted()) {
      return last_error_.ok() ? NoLeaseYet() : NoLease(MessageOf(last_error_));
    }
    return NoLease(last_error_.ok() ? "no heartbeat was sent in time" : MessageOf(last_error_));
  }

  // UNAVAILABLE also where Check() says FAILED_PRECONDITION: to a caller of the service it passes.
  absl::Status WhyClosed(Monotonic::time_point now) const {
    if (lease_.At(now) == LeasePhase::kClosed) return WhyNoLease();
    return Error(absl::StatusCode::kUnavailable, "REVISION_NOT_APPLIED",
                 "this process may not serve: the revision that it requires is not applied")
        .With("revision", options_.required_revision)
        .RetryAfter(std::chrono::seconds(1));
  }

  const GateOptions options_;
  const std::unique_ptr<pb::RegistryService::Stub> stub_;
  bool is_registered_ = false;            // used by the renewer only
  std::unique_ptr<RevisionWatch> watch_;  // used by the renewer, and by the destructor after it

  // std::, since its timed waits go by the monotonic clock. Guards what follows.
  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  bool is_heartbeat_due_ = false;
  bool is_ready_ = false;  // what the last answer said
  LeaseClock lease_;
  absl::Status last_error_;
  std::thread renewer_;
  std::thread warden_;
};

RevisionGate::RevisionGate(GateOptions options) {
  if (options.access != nullptr) {
    options.access->Suspend(NoLeaseYet(), std::chrono::milliseconds::zero());
  }
  impl_ = std::make_unique<Impl>(std::move(options));
}

RevisionGate::~RevisionGate() = default;

absl::Status RevisionGate::Check() const { return impl_->Check(); }

}  // namespace lockstep::revision_gate
