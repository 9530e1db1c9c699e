#include "services/migration/server/revision_feed.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// A run that reports faster than this is followed at this pace.
constexpr absl::Duration kFastest = absl::Milliseconds(20);
constexpr absl::Duration kReadTimeout = absl::Seconds(5);

}  // namespace

RevisionFeed::RevisionFeed(Engines& engines, RevisionFeedOptions options)
    : engines_(engines), options_(options), thread_([this] { Poll(); }) {}

RevisionFeed::~RevisionFeed() {
  until_stopped_.Cancel();
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  thread_.join();
}

std::unique_ptr<RevisionFeed::Watcher> RevisionFeed::Watch(WantedRevision wanted, bool is_applied,
                                                           std::function<void()> notify) {
  absl::MutexLock lock(&mu_);
  const std::uint64_t id = next_watcher_++;
  State& state = states_[wanted];
  state.watchers[id] = std::make_shared<std::function<void()>>(std::move(notify));
  state.newcomer_round = round_ + 1;
  // Something may have happened since the caller looked.
  is_wanted_ = true;
  return std::make_unique<Watcher>(*this, std::move(wanted), id, is_applied, round_ + 1);
}

RevisionFeed::Watcher::~Watcher() {
  absl::MutexLock lock(&feed_.mu_);
  const auto state = feed_.states_.find(wanted_);
  state->second.watchers.erase(id_);
  if (state->second.watchers.empty()) feed_.states_.erase(state);
}

bool RevisionFeed::Watcher::IsApplied() const {
  absl::MutexLock lock(&feed_.mu_);
  const State& state = feed_.states_.at(wanted_);
  // A look that began before this watcher came may be older than what the watcher knows.
  return state.round >= first_round_ ? state.is_applied : was_applied_;
}

void RevisionFeed::Wake() {
  absl::MutexLock lock(&mu_);
  if (!states_.empty()) is_wanted_ = true;
}

absl::Duration RevisionFeed::Pause() const {
  if (states_.empty()) return absl::InfiniteDuration();
  const bool is_settled =
      std::ranges::all_of(states_, [](const auto& state) { return state.second.is_applied; });
  return is_settled ? options_.settled_interval : options_.waiting_interval;
}

void RevisionFeed::Poll() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const auto must_go_on = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
        return is_wanted_ || is_stopping_;
      };
      mu_.AwaitWithTimeout(absl::Condition(&must_go_on), Pause());
      if (is_stopping_) return;
      is_wanted_ = false;
    }
    // The watchers wait; the next round tries again.
    const absl::Status status = ReadAll();
    if (!status.ok() && !is_failing_) {
      log::Warn("revisions_not_read", {{"reason", ReasonOf(status)}});
    }
    is_failing_ = !status.ok();
    absl::SleepFor(kFastest);
  }
}

absl::Status RevisionFeed::ReadAll() {
  std::vector<WantedRevision> wanted;
  std::uint64_t round = 0;
  {
    absl::MutexLock lock(&mu_);
    round = ++round_;
    for (const auto& [one, unused] : states_) wanted.push_back(one);
  }
  if (wanted.empty()) return absl::OkStatus();
  const Context context = Context::WithTimeout(kReadTimeout);
  const auto stop = until_stopped_.OnCancel([&context] { context.Cancel(); });
  ASSIGN_OR_RETURN(const auto applied, engines_.Known()->AreApplied(context, wanted));
  std::vector<Notify> news;
  {
    absl::MutexLock lock(&mu_);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto found = states_.find(wanted[i]);
      // Definitions that changed meanwhile may not know it any more: then it stays as it was.
      if (found == states_.end() || !applied[i].ok()) continue;
      State& state = found->second;
      const bool is_news = state.round < state.newcomer_round || state.is_applied != *applied[i];
      state.is_applied = *applied[i];
      state.round = round;
      if (!is_news) continue;
      for (const auto& [unused, notify] : state.watchers) news.push_back(notify);
    }
  }
  // Outside the lock: a stream that ends at this moment takes its watcher back.
  for (const Notify& notify : news) (*notify)();
  return absl::OkStatus();
}

}  // namespace lockstep::migration
