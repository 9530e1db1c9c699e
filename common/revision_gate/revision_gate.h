// Keeps a service and the schema in step: a process serves only while the revision that it requires
// is applied.
//
// `RevisionGate` registers the process with the migration service, renews its lease by heartbeats,
// and answers the readiness probe: not ready before the required revision is applied, and not ready
// again shortly before the lease ends when it could not be renewed, since a downgrade may then go
// ahead without asking this process.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
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
  // Between heartbeats while the required revision is not applied yet, and between attempts after
  // one that failed, so that serving starts soon after what it waits for has come.
  absl::Duration waiting_interval = absl::Milliseconds(250);
};

// Thread-safe. Works on a thread of its own.
class RevisionGate final {
 public:
  explicit RevisionGate(GateOptions options);
  // Ends the lease, so that a downgrade need not wait for it.
  ~RevisionGate();

  // For the readiness probe; answers from memory. FAILED_PRECONDITION (REVISION_NOT_APPLIED),
  // UNAVAILABLE (LEASE_NOT_RENEWED).
  [[nodiscard]] absl::Status Check() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::revision_gate
