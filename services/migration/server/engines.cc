#include "services/migration/server/engines.h"

#include <filesystem>
#include <utility>

#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/definitions.h"

namespace lockstep::migration {
namespace {

// To a caller the state of the server's folder is a fact about the world, not about the request.
absl::Status AsPrecondition(const absl::Status& status) {
  return Error(absl::StatusCode::kFailedPrecondition, ReasonOf(status),
               "the server's migrations folder does not load: " + MessageOf(status))
      .With("problems", std::string_view(MetadataOf(status, "problems")));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engines>> Engines::Open(EngineOptions options,
                                                       const std::string& migrations_dir) {
  std::error_code error;
  const std::filesystem::path root = std::filesystem::weakly_canonical(migrations_dir, error);
  std::unique_ptr<Engines> engines(
      new Engines(std::move(options), error ? migrations_dir : root.string()));
  FolderStamps stamps = StampFiles(engines->root_);
  ASSIGN_OR_RETURN(Definitions definitions, LoadDefinitions(engines->root_));
  absl::MutexLock load_lock(&engines->load_mu_);
  engines->is_settled_ = AreSettled(stamps);
  engines->seen_ = std::move(stamps);
  absl::MutexLock lock(&engines->mu_);
  engines->engine_ = std::make_shared<Engine>(engines->options_, std::move(definitions));
  return engines;
}

Engines::Newest Engines::Look() {
  {
    absl::MutexLock load_lock(&load_mu_);
    FolderStamps stamps = StampFiles(root_);
    if (!is_settled_ || stamps.files != seen_.files) Load(std::move(stamps));
  }
  absl::MutexLock lock(&mu_);
  return {engine_, problem_};
}

void Engines::Load(FolderStamps stamps) {
  auto definitions = LoadDefinitions(root_);
  // Files that change while they are read differ from the stamps that were taken before.
  const bool is_change = stamps.files != seen_.files;
  is_settled_ = AreSettled(stamps);
  seen_ = std::move(stamps);
  if (definitions.ok()) {
    if (is_change) {
      log::Info("definitions_loaded",
                {{"revisions", static_cast<long long>(definitions->revisions.size())}});
    }
    auto engine = std::make_shared<Engine>(options_, *std::move(definitions));
    absl::MutexLock lock(&mu_);
    engine_ = std::move(engine);
    problem_ = absl::OkStatus();
    return;
  }
  if (is_change) log::Warn("definitions_invalid", {{"problems", MessageOf(definitions.status())}});
  absl::MutexLock lock(&mu_);
  problem_ = AsPrecondition(definitions.status());
}

absl::StatusOr<std::shared_ptr<Engine>> Engines::Fresh() {
  Newest newest = Look();
  RETURN_IF_ERROR(newest.problem);
  return std::move(newest.engine);
}

std::shared_ptr<Engine> Engines::Known() const {
  absl::MutexLock lock(&mu_);
  return engine_;
}

}  // namespace lockstep::migration
