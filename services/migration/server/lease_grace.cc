#include "services/migration/server/lease_grace.h"

#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {

LeaseGrace::LeaseGrace(Engines& engines, std::chrono::milliseconds beat_interval)
    : engines_(engines), beat_interval_(beat_interval) {
  Beat();
  thread_ = std::thread([this] { Run(); });
}

LeaseGrace::~LeaseGrace() {
  {
    const std::lock_guard lock(mu_);
    is_stopping_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void LeaseGrace::Run() {
  while (true) {
    {
      std::unique_lock lock(mu_);
      if (stopped_.wait_for(lock, beat_interval_, [this] { return is_stopping_; })) return;
    }
    Beat();
  }
}

void LeaseGrace::Beat() {
  const absl::Status status = TryBeat();
  if (!status.ok()) {
    presence_.reset();
    is_here_ = false;
    if (!is_failing_) {
      log::Warn("presence_not_recorded",
                {{"reason", ReasonOf(status)}, {"error", MessageOf(status)}});
    }
  }
  is_failing_ = !status.ok();
}

absl::Status LeaseGrace::TryBeat() {
  if (presence_ == nullptr) {
    ASSIGN_OR_RETURN(presence_, Presence::Open(engines_.Known()->options()));
  }
  if (!is_here_) {
    ASSIGN_OR_RETURN(const Presence::Arrival arrival, presence_->Arrive(!has_had_its_turn_));
    if (!has_had_its_turn_) {
      log::Info("leases_extended", {{"first", arrival.is_first},
                                    {"leases", static_cast<long long>(arrival.leases_extended)}});
    }
    has_had_its_turn_ = true;
    is_here_ = arrival.is_here;
  }
  return presence_->Beat();
}

}  // namespace lockstep::migration
