#include "services/migration/server/metrics/collector.h"

#include <utility>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/server/metrics/families.h"
#include "services/migration/server/metrics/figures.h"

namespace lockstep::migration {

MetricsCollector::MetricsCollector(std::function<std::shared_ptr<Engine>()> engine,
                                   CollectorOptions options)
    : engine_(std::move(engine)), options_(options) {}

MetricsCollector::~MetricsCollector() = default;

absl::Status MetricsCollector::Connect(const EngineOptions& options) {
  EngineOptions mine = options;
  mine.connect_timeout = options_.connect_timeout;
  ASSIGN_OR_RETURN(connection_, OpenSession(mine, "metrics"));
  // A scrape waits for nobody's lock and leaves no work behind in the server.
  return connection_
      ->Script(
          "SET default_transaction_read_only = on; SET lock_timeout = '500ms';"
          " SET statement_timeout = " +
          std::to_string(absl::ToInt64Milliseconds(options_.read_timeout)))
      .status();
}

absl::StatusOr<Figures> MetricsCollector::ReadFrom(const Engine& engine) {
  if (connection_ == nullptr) RETURN_IF_ERROR(Connect(engine.options()));
  connection_->SetIoDeadline(absl::Now() + options_.read_timeout);
  return ReadFigures(*connection_, engine.graph());
}

std::string MetricsCollector::Read() {
  const std::shared_ptr<Engine> engine = engine_();
  const absl::StatusOr<Figures> figures = ReadFrom(*engine);
  if (figures.ok()) {
    told_.clear();
    std::vector<telemetry::Family> families = FamiliesOf(*figures);
    families.insert(families.begin(), UpFamily(true));
    return telemetry::RenderText(families);
  }
  // A new connection next time, also after a statement that ran out of time.
  connection_.reset();
  if (const std::string reason = ReasonOf(figures.status()); reason != told_ || told_.empty()) {
    log::Warn("metrics_not_read", {{"why", figures.status()}});
    told_ = reason;
  }
  return telemetry::RenderText({UpFamily(false)});
}

std::string MetricsCollector::Scrape() {
  absl::MutexLock lock(&mu_);
  if (absl::Now() < text_until_) return text_;
  text_ = Read();
  text_until_ = absl::Now() + options_.keep_for;
  return text_;
}

}  // namespace lockstep::migration
