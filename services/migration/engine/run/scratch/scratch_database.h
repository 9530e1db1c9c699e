// A database of its own on the same server, for what must not be tried on the live one.
//
// It is made from template0, never from the live database: that would keep new connections out of
// it. Needs an administrator who may create databases.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

class ScratchDatabase {
 public:
  // Bootstrapped and without a revision. `live`: where the live one is; admin_url is used when it
  // is set. FAILED_PRECONDITION (SCRATCH_NOT_PERMITTED: no right to create databases); ABORTED
  // (SCRATCH_IN_USE) while this process has another one: they are work for the live server. Scratch
  // databases that killed processes left more than six hours ago are dropped on the way.
  static absl::StatusOr<std::unique_ptr<ScratchDatabase>> Create(const Context& context,
                                                                 const EngineOptions& live);
  // Drops it. What cannot be dropped is left to a later one.
  ~ScratchDatabase();
  ScratchDatabase(const ScratchDatabase&) = delete;
  ScratchDatabase& operator=(const ScratchDatabase&) = delete;

  const std::string& name() const { return name_; }
  // Of an engine that works there: nothing holds its runs up.
  const EngineOptions& options() const { return options_; }
  // As the administrator.
  absl::StatusOr<std::unique_ptr<pg::Connection>> Connect() const;

  // Applies what `state` has of the definitions: completely applied revisions, in the order in
  // which one upgrade runs them; no repeatable definitions. FAILED_PRECONDITION (SCRATCH_HELD) when
  // one of their steps may reach beyond the database.
  absl::Status BringTo(const Context& context, const Definitions& definitions,
                       const AppliedState& state) const;

 private:
  ScratchDatabase(std::string administrator_url, std::string name, EngineOptions options,
                  std::unique_lock<std::mutex> slot);

  const std::string administrator_url_;  // leads to the live database
  const std::string name_;
  const EngineOptions options_;
  const std::unique_lock<std::mutex> slot_;
};

// SCRATCH_HELD when a privileged step of one of the revisions, up or down, does anything but what
// is known to stay inside one database (extensions, schemas and what is in them): roles, databases
// and settings are the whole server's, and nobody can see what DO blocks do.
absl::Status MayRunOnScratch(const std::vector<const Revision*>& revisions);

}  // namespace lockstep::migration
