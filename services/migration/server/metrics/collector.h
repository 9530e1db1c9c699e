// Answers scrapes: reads the ledger, at most once a second, over one connection of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/server/metrics/figures.h"

namespace lockstep::migration {

struct CollectorOptions {
  absl::Duration keep_for = absl::Seconds(1);  // a text serves the scrapes that come so soon after
  // Of one scrape together, connecting apart; then it says lockstep_up 0.
  absl::Duration read_timeout = absl::Seconds(3);
  absl::Duration connect_timeout = absl::Seconds(2);
};

// Thread-safe. Scrapes that come together share one reading.
class MetricsCollector final {
 public:
  // `engine` gives the engine whose definitions count; called for each reading.
  explicit MetricsCollector(std::function<std::shared_ptr<Engine>()> engine,
                            CollectorOptions options = {});
  ~MetricsCollector();
  MetricsCollector(const MetricsCollector&) = delete;
  MetricsCollector& operator=(const MetricsCollector&) = delete;

  // The text of a scrape. When the database does not answer in time or has no ledger of this
  // version, lockstep_up is 0 and nothing else is there: no figure is ever older than `keep_for`.
  [[nodiscard]] std::string Scrape();

 private:
  absl::Status Connect(const EngineOptions& options) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Figures> ReadFrom(const Engine& engine) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::function<std::shared_ptr<Engine>()> engine_;
  const CollectorOptions options_;
  absl::Mutex mu_;
  std::unique_ptr<pg::Connection> connection_ ABSL_GUARDED_BY(mu_);
  std::string text_ ABSL_GUARDED_BY(mu_);
  absl::Time text_until_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  std::string told_ ABSL_GUARDED_BY(mu_);  // the reason of the failure that was logged last
};

}  // namespace lockstep::migration
