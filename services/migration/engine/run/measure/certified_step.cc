#include "services/migration/engine/run/measure/certified_step.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/measure/lock_sampler.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

const StepCertificate* CertificateOf(const RunSession& session, const StepTask& task) {
  if (task.direction != Direction::kUp || task.is_repeatable) return nullptr;
  const auto found = session.certificates.find({task.revision.id, task.step.ordinal});
  return found == session.certificates.end() ? nullptr : &found->second;
}

std::string WorseText(const StepTask& task, const StepCertificate& certificate,
                      const std::vector<std::string>& worse) {
  return task.text() + " locks or writes more than its certificate of " +
         absl::FormatTime("%Y-%m-%d %H:%M UTC", certificate.measured_at, absl::UTCTimeZone()) +
         " says: " + absl::StrJoin(worse, "; ");
}

}  // namespace

bool IsWatched(const RunSession& session, const StepTask& task) {
  if (task.direction != Direction::kUp || task.is_repeatable) return false;
  return session.measured != nullptr || CertificateOf(session, task) != nullptr;
}

absl::Status MayCost(RunSession& session, const StepTask& task, const Measurement& real) {
  const StepCertificate* certificate = CertificateOf(session, task);
  if (certificate == nullptr) return absl::OkStatus();
  const std::vector<std::string> worse = WorseThan(*certificate, real.relations);
  if (worse.empty()) return absl::OkStatus();
  const std::string what = WorseText(task, *certificate, worse);
  if (!session.force_locks.empty()) {
    Happening warning = task.Event("warning", what + "; it goes on because " + session.force_locks);
    warning.details["about"] = "locks_forced";
    warning.details["reason"] = session.force_locks;
    session.journal.Emit(std::move(warning));
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition, "LOCKS_WORSE_THAN_CERTIFIED",
               what +
                   ". It was rolled back, and nothing is held any more. Either this database "
                   "differs from its revisions (lockstep drift tells how), or the certificate is "
                   "of other days (lockstep plan --measure makes a new one). To run it as it is: "
                   "lockstep upgrade --force-locks REASON")
      .With("revision", std::string_view(task.revision.id))
      .With("step", static_cast<long long>(task.step.ordinal))
      .With("worse", std::string_view(worse.front()));
}

absl::StatusOr<StepOutcome> MeasureAlone(RunSession& session,
                                         absl::FunctionRef<absl::StatusOr<StepOutcome>()> body) {
  if (session.measured == nullptr) return body();
  ASSIGN_OR_RETURN(auto watcher, OpenSession(session.options, kReaderPurpose));
  // Who may read every table.
  EngineOptions administrator = session.options;
  if (!administrator.admin_url.empty()) administrator.database_url = administrator.admin_url;
  ASSIGN_OR_RETURN(auto holder, OpenSession(administrator, kReaderPurpose));
  ASSIGN_OR_RETURN(
      const auto sampler,
      LockSampler::Start(std::move(watcher), session.connection.backend_pid(), std::move(holder)));
  ASSIGN_OR_RETURN(StepOutcome outcome, body());
  ASSIGN_OR_RETURN(outcome.measurement, sampler->Stop());
  return outcome;
}

}  // namespace lockstep::migration
