#include "services/migration/engine/run/backfill/crew.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(100);
constexpr absl::Duration kBetweenSignals = absl::Seconds(1);
constexpr absl::Duration kBetweenWrites = absl::Seconds(1);
constexpr absl::Duration kBetweenLines = absl::Seconds(5);

constexpr char kDiskFull[] = "53100";

// Before this much is done nobody can tell how long the rest takes.
constexpr std::int64_t kBatchesBeforeEta = 3;
constexpr double kPartBeforeEta = 0.01;

absl::Duration Held(const Pacer::Reading& reading) {
  absl::Duration held;
  for (const auto& [reason, duration] : reading.held_for) held += duration;
  return held;
}

}  // namespace

struct Crew::Runner {
  Runner(const RunSession& session, const StepTask& task, const BackfillTable& table, Pacer& pacer,
         ChunkQueue& queue)
      : worker(session, task, table, pacer, queue), thread([this, &pacer] {
          status = worker.Run();
          // One that cannot go on stops the others: what is left is for the next run.
          if (!status.ok()) pacer.Stop(status);
          is_done = true;
        }) {}
  ~Runner() {
    if (thread.joinable()) thread.join();
  }

  Worker worker;
  absl::Status status;
  std::atomic<bool> is_done = false;
  std::thread thread;  // last: it uses the others
};

Crew::Crew(RunSession& session, const StepTask& task, const BackfillTable& table,
           const BackfillRecord& record, std::vector<Chunk> chunks)
    : session_(session),
      task_(task),
      table_(table),
      record_(record),
      workers_(std::min(chunks.size(), static_cast<std::size_t>(table.backfill->workers))),
      monitor_(session.connection, table, chunks.front().range.lo),
      pacer_(*table.backfill, record.batch_rows),
      queue_(std::move(chunks)),
      next_signals_(absl::Now()),
      next_write_(absl::Now()),
      next_progress_(absl::Now() + kBetweenLines) {}

absl::Status Crew::Work() {
  RETURN_IF_ERROR(FollowWishes());
  FollowSignals({});
  std::vector<std::unique_ptr<Runner>> runners;
  for (std::size_t i = 0; i < workers_; ++i) {
    runners.push_back(std::make_unique<Runner>(session_, task_, table_, pacer_, queue_));
  }
  const absl::Status watched = Watch(runners);
  if (!watched.ok()) {
    pacer_.Stop(watched);
    for (auto& runner : runners) runner->worker.Cancel();
  }
  for (auto& runner : runners) runner->thread.join();
  RETURN_IF_ERROR(watched);
  for (auto& runner : runners) RETURN_IF_ERROR(runner->status);
  TellProgress();
  return absl::OkStatus();
}

absl::Status Crew::Watch(std::vector<std::unique_ptr<Runner>>& runners) {
  const auto is_done = [](const auto& runner) { return runner->is_done.load(); };
  while (!std::ranges::all_of(runners, is_done)) {
    std::vector<int> pids;
    for (const auto& runner : runners) {
      if (const int pid = runner->worker.backend_pid(); pid != 0) pids.push_back(pid);
    }
    RETURN_IF_ERROR(Look(pids));
    const absl::Time until = absl::Now() + kLook;
    while (absl::Now() < until && !std::ranges::all_of(runners, is_done)) {
      RETURN_IF_ERROR(Sleep(session_.context, absl::Milliseconds(5)));
    }
  }
  return absl::OkStatus();
}

absl::Status Crew::Look(const std::vector<int>& pids) {
  RETURN_IF_ERROR(MayGoOn(session_));
  RETURN_IF_ERROR(FollowWishes());
  if (absl::Now() >= next_signals_) {
    FollowSignals(pids);
    next_signals_ = absl::Now() + kBetweenSignals;
  }
  const Pacer::Reading reading = pacer_.Read();
  const std::string state =
      reading.is_paused ? "paused" : (reading.held.empty() ? "running" : "held");
  TellChange(state, reading.held);
  if (absl::Now() >= next_write_) {
    // That the ledger has no room or no lock for it now is no reason to stop.
    const absl::Status written = WriteState(state, reading.held);
    if (!written.ok() && !IsAboutLocks(written) && pg::SqlStateOf(written) != kDiskFull) {
      return written;
    }
    next_write_ = absl::Now() + kBetweenWrites;
  }
  if (absl::Now() >= next_progress_) {
    TellProgress();
    next_progress_ = absl::Now() + kBetweenLines;
  }
  if (session_.connection.is_lost()) {
    return Error(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                 "the connection to the database broke");
  }
  return absl::OkStatus();
}

void Crew::FollowSignals(const std::vector<int>& pids) {
  pacer_.Hold(WhyHold(monitor_.Read(pids), table_.backfill->hold));
}

absl::Status Crew::FollowWishes() {
  ASSIGN_OR_RETURN(const RunControl control,
                   LoadControl(session_.connection, session_.journal.run_id()));
  if (control.wish == "cancel") {
    return Error(absl::StatusCode::kCancelled, "CANCELLED",
                 task_.text() + " was cancelled; the batches that are done stay done");
  }
  pacer_.Pause(control.wish == "pause");
  pacer_.LimitRate(control.rows_per_second);
  return absl::OkStatus();
}

void Crew::TellChange(const std::string& state, const std::string& reason) {
  // The value of a signal changes all the time; its name is what counts.
  const std::string change = state + " " + reason.substr(0, reason.find(':'));
  if (change == told_) return;
  const bool is_first = told_.empty();
  told_ = change;
  if (is_first && state == "running") return;
  const std::string kind = state == "running" ? "backfill_resumed" : "backfill_" + state;
  const std::string text = state == "running"
                               ? " goes on"
                               : (state == "paused" ? " is paused; `lockstep resume` lets it go on"
                                                    : " holds itself back: " + reason);
  Happening happening = task_.Event(kind, task_.text() + text);
  happening.details["reason"] = reason;
  session_.journal.Emit(std::move(happening));
}

BackfillState Crew::StateNow(const Pacer::Reading& reading) const {
  BackfillState state;
  state.batch_rows = reading.batch_rows;
  const double seconds = absl::ToDoubleSeconds(reading.moving);
  if (seconds > 0) {
    state.rows_per_second = static_cast<std::int64_t>(static_cast<double>(reading.rows) / seconds);
  }
  const std::int64_t done = record_.rows_walked + reading.rows;
  const bool is_known =
      reading.batches >= kBatchesBeforeEta && state.rows_per_second > 0 &&
      static_cast<double>(done) >= kPartBeforeEta * static_cast<double>(record_.rows_estimated);
  if (is_known) {
    state.seconds_left =
        std::max<std::int64_t>(0, record_.rows_estimated - done) / state.rows_per_second;
  }
  for (const auto& [reason, duration] : reading.held_for) {
    state.held_ms[reason] = absl::ToInt64Milliseconds(duration);
  }
  return state;
}

absl::Status Crew::WriteState(const std::string& state, const std::string& reason) {
  BackfillState now = StateNow(pacer_.Read());
  now.state = state;
  now.reason = reason;
  return RecordInLedger(session_, "", StateSql(task_, now), {});
}

void Crew::TellProgress() {
  const Pacer::Reading reading = pacer_.Read();
  const BackfillState now = StateNow(reading);
  const std::int64_t done = record_.rows_walked + reading.rows;
  const std::int64_t all = std::max<std::int64_t>(record_.rows_estimated, done);
  std::string line =
      absl::StrFormat("%s: %d of about %d rows (%d %%), %d rows/s", task_.text(), done, all,
                      all == 0 ? 100 : done * 100 / all, now.rows_per_second);
  if (now.seconds_left.has_value() && *now.seconds_left > 0) {
    absl::StrAppend(&line, ", ", absl::FormatDuration(absl::Seconds(*now.seconds_left)), " left");
  }
  if (const absl::Duration held = Held(reading); held >= absl::Seconds(1)) {
    absl::StrAppend(&line, ", held back for ", absl::ToInt64Seconds(held), " s");
  }
  Happening progress = task_.Event("backfill_progress", std::move(line));
  progress.details["rows_done"] = done;
  progress.details["rows_estimated"] = record_.rows_estimated;
  progress.details["rows_per_second"] = now.rows_per_second;
  progress.details["batch_rows"] = now.batch_rows;
  if (now.seconds_left.has_value()) progress.details["seconds_left"] = *now.seconds_left;
  session_.journal.Emit(std::move(progress));
}

}  // namespace lockstep::migration
