#include "services/migration/server/run_feed.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// Events that one answer holds, that one read of the ledger fetches, and that memory keeps per run.
constexpr int kPage = 200;
constexpr int kReadPage = 500;
constexpr std::size_t kKept = 1000;
// A run that reports faster than this is read at this pace: its watchers get several events at
// once.
constexpr absl::Duration kFastest = absl::Milliseconds(20);
constexpr absl::Duration kReadTimeout = absl::Seconds(5);

bool IsOver(RunState state) { return state != RunState::kWaiting && state != RunState::kRunning; }

}  // namespace

RunFeed::RunFeed(Engines& engines, absl::Duration poll_interval)
    : engines_(engines), poll_interval_(poll_interval), thread_([this] { Poll(); }) {}

RunFeed::~RunFeed() {
  until_stopped_.Cancel();
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  thread_.join();
}

std::unique_ptr<RunFeed::Watcher> RunFeed::Watch(const std::string& run_id,
                                                 std::function<void()> notify) {
  absl::MutexLock lock(&mu_);
  const std::uint64_t id = next_watcher_++;
  logs_[run_id].watchers[id] = std::make_shared<std::function<void()>>(std::move(notify));
  is_wanted_ = true;
  return std::make_unique<Watcher>(*this, run_id, id);
}

RunFeed::Watcher::~Watcher() {
  absl::MutexLock lock(&feed_.mu_);
  const auto log = feed_.logs_.find(run_id_);
  log->second.watchers.erase(id_);
  if (log->second.watchers.empty()) feed_.logs_.erase(log);
}

absl::StatusOr<RunFeed::Page> RunFeed::Watcher::Read(const Context& context,
                                                     std::int64_t after) const {
  Page page;
  {
    absl::MutexLock lock(&feed_.mu_);
    const Log& log = feed_.logs_.at(run_id_);
    if (log.is_read && after >= log.complete_after) {
      const auto from = std::ranges::upper_bound(log.newest, after, {}, &RunEvent::offset);
      const auto to = from + std::min<std::ptrdiff_t>(log.newest.end() - from, kPage);
      page.events.assign(from, to);
      page.has_more = to != log.newest.end();
      page.is_end = log.is_over && !page.has_more;
      return page;
    }
  }
  const std::shared_ptr<Engine> engine = feed_.engines_.Known();
  // The run's state is read before its events: of a run that was over then, nothing is missed that
  // it did itself. (What a later run says about it, `recovered`, may come at any time and is for
  // who reads the log then.)
  ASSIGN_OR_RETURN(const RunInfo run, engine->GetRun(context, run_id_));
  ASSIGN_OR_RETURN(page.events, engine->ReadEvents(context, run_id_, after, kPage));
  page.has_more = page.events.size() == static_cast<std::size_t>(kPage);
  page.is_end = IsOver(run.state) && !page.has_more;
  return page;
}

bool RunFeed::Follows(const std::string& run_id) const {
  absl::MutexLock lock(&mu_);
  return logs_.contains(run_id);
}

void RunFeed::Wake() {
  absl::MutexLock lock(&mu_);
  if (!logs_.empty()) is_wanted_ = true;
}

void RunFeed::Poll() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const auto must_go_on = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
        return is_wanted_ || is_stopping_;
      };
      const bool is_followed = std::any_of(logs_.begin(), logs_.end(),
                                           [](const auto& log) { return !log.second.is_over; });
      mu_.AwaitWithTimeout(absl::Condition(&must_go_on),
                           is_followed ? poll_interval_ : absl::InfiniteDuration());
      if (is_stopping_) return;
      is_wanted_ = false;
    }
    ReadAll();
    absl::SleepFor(kFastest);
  }
}

void RunFeed::ReadAll() {
  std::vector<std::string> runs;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [run_id, log] : logs_) {
      if (!log.is_over) runs.push_back(run_id);
    }
  }
  for (const std::string& run_id : runs) {
    // The watchers wait; the next round tries again.
    const absl::Status status = ReadNew(run_id);
    if (!status.ok() && !is_failing_) {
      log::Warn("run_not_read", {{"run", run_id}, {"reason", ReasonOf(status)}});
    }
    is_failing_ = !status.ok();
  }
}

absl::Status RunFeed::ReadNew(const std::string& run_id) {
  const Context context = Context::WithTimeout(kReadTimeout);
  const auto stop = until_stopped_.OnCancel([&context] { context.Cancel(); });
  const std::shared_ptr<Engine> engine = engines_.Known();
  ASSIGN_OR_RETURN(const RunInfo run, engine->GetRun(context, run_id));
  std::int64_t after = 0;
  {
    absl::MutexLock lock(&mu_);
    const auto log = logs_.find(run_id);
    if (log == logs_.end()) return absl::OkStatus();
    after = log->second.is_read ? log->second.last_offset()
                                : std::max<std::int64_t>(run.last_offset - kReadPage, 0);
  }
  ASSIGN_OR_RETURN(std::vector<RunEvent> events,
                   engine->ReadEvents(context, run_id, after, kReadPage));
  const bool is_all = events.size() < static_cast<std::size_t>(kReadPage);
  std::vector<Notify> watchers;
  {
    absl::MutexLock lock(&mu_);
    const auto found = logs_.find(run_id);
    if (found == logs_.end()) return absl::OkStatus();
    Log& log = found->second;
    // Everybody left and somebody came in the meantime: what was read may not fit.
    if (log.is_read && log.last_offset() != after) return absl::OkStatus();
    const bool is_news = !log.is_read || !events.empty() || (is_all && IsOver(run.state));
    if (!log.is_read) log.complete_after = after;
    log.is_read = true;
    std::move(events.begin(), events.end(), std::back_inserter(log.newest));
    while (log.newest.size() > kKept) {
      log.complete_after = log.newest.front().offset;
      log.newest.pop_front();
    }
    log.is_over = is_all && IsOver(run.state);
    if (!is_all) is_wanted_ = true;
    if (is_news) {
      for (const auto& [unused, notify] : log.watchers) watchers.push_back(notify);
    }
  }
  // Outside the lock: a stream that ends at this moment takes its watcher back.
  for (const Notify& notify : watchers) (*notify)();
  return absl::OkStatus();
}

}  // namespace lockstep::migration
