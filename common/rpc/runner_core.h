// What all calls of one Runner share. Used inside common/rpc only.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/executor.h"
#include "common/rpc/runner.h"

namespace lockstep::rpc::internal {

struct RunnerCore {
  explicit RunnerCore(RunnerOptions runner_options)
      : options(std::move(runner_options)),
        domain(options.service + ".lockstep"),
        unary(options.workers, options.queue_capacity),
        streams(options.stream_workers, options.stream_queue_capacity) {}

  const RunnerOptions options;
  const std::string domain;

  // Open event streams, so that a shutdown can end them.
  absl::Mutex mu;
  std::map<EventCore*, std::weak_ptr<EventCore>> events ABSL_GUARDED_BY(mu);
  bool is_closing ABSL_GUARDED_BY(mu) = false;

  // Last, so that the workers end before what they use.
  Executor unary;
  Executor streams;
};

// What a client hears while the process goes away: another replica may answer.
[[nodiscard]] absl::Status ServerStopping();

}  // namespace lockstep::rpc::internal
