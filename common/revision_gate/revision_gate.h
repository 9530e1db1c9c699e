// Keeps a service and the schema in step: a process serves, and uses its database, only while it
// holds a lease and the revision that it requires is applied.
//
// `RevisionGate` registers the process with the migration service, renews its lease by heartbeats,
// and answers the readiness probe. When the lease cannot be renewed, a downgrade may go ahead
// without asking this process as soon as the lease has ended by database time. Before that moment
// the process is not ready, then its work in the database ends, and then it has no connection left;
// lease_clock.h says when, and by which clock. Once the lease is renewed, all of it comes back.
//
// That the required revision was applied or undone is told by a stream (WatchRevision), not asked
// for again and again; heartbeats say it as well.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/pg/access.h"
#include "common/revision_gate/build_manifest.h"

namespace lockstep::revision_gate {

struct GateOptions {
  std::string migration_endpoint;  // host:port of the migration service
  std::string service;             // "orders"
  std::string build;               // "0.1.0"
  std::string required_revision;   // oldest revision that this build works with: id or alias
  std::string built_for;           // newest revision that it was built against
  BuildManifest manifest = {};     // what the build needs of every service's schemas
  std::string address;             // where this process serves; for `lockstep instances`
  absl::Duration lease_ttl = absl::Seconds(15);
  // Between heartbeats while all is well.
  absl::Duration heartbeat_interval = absl::Seconds(3);
  // Between attempts after a heartbeat that failed, and between heartbeats while the required
  // revision is not applied and no stream tells when it is, so that serving starts soon after what
  // it waits for has come.
  absl::Duration waiting_interval = absl::Milliseconds(250);
  // What the process registers as (NewInstanceId); "" = a new one.
  std::string instance_id = {};
  // The pools of the process: open only while the lease lives and the required revision is applied,
  // suspended by the gate otherwise, also until the first lease. Shared with the pools; null: there
  // are none.
  std::shared_ptr<pg::Access> access = nullptr;
  // Called after Check() has begun to answer differently, on a thread of the gate; must not block.
  std::function<void()> on_change = nullptr;
};

// What a pool of a process refuses work with while the process has no lease: UNAVAILABLE
// (LEASE_NOT_RENEWED).
[[nodiscard]] absl::Status NoLeaseYet();

// Thread-safe. Works on threads of its own.
class RevisionGate final {
 public:
  explicit RevisionGate(GateOptions options);
  // Suspends the pools, then ends the lease, so that a downgrade need not wait for it.
  ~RevisionGate();

  // For the readiness probe; answers from memory. FAILED_PRECONDITION (REVISION_NOT_APPLIED),
  // UNAVAILABLE (LEASE_NOT_RENEWED).
  [[nodiscard]] absl::Status Check() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::revision_gate
