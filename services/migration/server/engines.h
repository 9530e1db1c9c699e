// The engine over the migration definitions as their folder has them now.
//
// A migration server lives longer than the files it works with: people add revisions and mend
// failed ones while it runs. `Engines` looks at the folder (one stat() per file) when it is asked,
// and loads it again when something changed. An engine never changes: who holds one, such as a run
// at work, keeps it, and the next caller gets the new one. A folder that does not load leaves the
// engine before it in place, together with the problems.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/migration/engine/definition_cache.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

// Thread-safe.
class Engines final {
 public:
  // Loads `migrations_dir`. Errors: those of LoadDefinitions.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Engines>> Open(
      EngineOptions options, const std::string& migrations_dir);

  struct Newest {
    // Shared with everyone who works with these definitions.
    std::shared_ptr<Engine> engine;
    // OK, or FAILED_PRECONDITION (DEFINITIONS_INVALID, MIGRATIONS_FOLDER_MISSING) with all that is
    // wrong with the folder; then `engine` is the one of before.
    absl::Status problem;
  };
  // Looks at the folder first.
  [[nodiscard]] Newest Look();
  // The same for what must not go by old definitions: `problem` is the error.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<Engine>> Fresh();
  // Without looking at the folder, for what needs no definitions.
  [[nodiscard]] std::shared_ptr<Engine> Known() const;

 private:
  Engines(EngineOptions options, std::string root)
      : options_(std::move(options)), root_(std::move(root)) {}
  void Load(FolderStamps stamps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(load_mu_);

  const EngineOptions options_;
  const std::string root_;
  absl::Mutex load_mu_;  // held while the folder is read; taken before mu_
  FolderStamps seen_ ABSL_GUARDED_BY(load_mu_);
  bool is_settled_ ABSL_GUARDED_BY(load_mu_) = false;  // `seen_` tells every later change
  mutable absl::Mutex mu_;
  std::shared_ptr<Engine> engine_ ABSL_GUARDED_BY(mu_);
  absl::Status problem_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lockstep::migration
