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
  // `name`: "" = one that nobody else has. ALREADY_EXISTS (DATABASE_EXISTS).
  static absl::StatusOr<std::unique_ptr<ScratchDatabase>> Create(const Context& context,
                                                                 const EngineOptions& live,
                                                                 std::string name = "");
  // Drops it, unless it is to be kept. What cannot be dropped is left to a later one.
  ~ScratchDatabase();
  void Keep() { is_kept_ = true; }
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
  bool is_kept_ = false;
};

// Makes the database `name`, which stays, and brings it to `target` of the definitions, whatever
// the live database has: to see what a revision of the past looked like. INVALID_ARGUMENT
// (DATABASE_NAME_INVALID); errors of Create(), BringTo() and ResolveTarget() (target.h).
absl::Status RebuildInto(const Context& context, const EngineOptions& live,
                         const Definitions& definitions, std::string_view target,
                         const std::string& name);

// SCRATCH_HELD when a privileged step of one of the revisions, up or down, does anything but what
// is known to stay inside one database (extensions, schemas and what is in them): roles, databases
// and settings are the whole server's, and nobody can see what DO blocks do.
absl::Status MayRunOnScratch(const std::vector<const Revision*>& revisions);

}  // namespace lockstep::migration
