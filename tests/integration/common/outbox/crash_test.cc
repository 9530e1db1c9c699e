// Dispatchers that are killed between any two steps: nothing is lost, and the receiver applies
// every event once.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "common/killpoint/killpoint.h"
#include "common/outbox/dispatcher.h"
#include "common/outbox/inbox.h"
#include "tests/integration/common/outbox/fixture.h"

namespace lockstep::outbox {
namespace {

struct CrashCase {
  const char* name;
  const char* killpoint;
  const char* effects_at_death;
  const char* marked_at_death;
};
class OutboxCrash : public OutboxFixture, public ::testing::WithParamInterface<CrashCase> {
 protected:
  // The receiver: writes one effect for each event id.
  static DeliverBatch Receiver(pg::Pool& pool) {
    return EachEvent([&pool](const Context& context, const Event& event) {
      const auto applied = pool.Write(context, [&](pg::Tx& tx) {
        return ApplyOnce(tx, kInbox, event.event_id, "orders", [&](pg::Tx& inner) {
          return inner.Execute("INSERT INTO shop.effects (what) VALUES ($1)", event.kind).status();
        });
      });
      return applied.status();
    });
  }

  // Runs one batch in a process of its own, which dies at `killpoint` unless that is empty. Returns
  // the wait status.
  int RunInChild(const char* killpoint) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("LOCKSTEP_KILLPOINT", killpoint, 1);
      killpoint::Init();
      const auto pool = NewPool();
      Dispatcher dispatcher(*pool, kOutbox, Receiver(*pool));
      const auto result = dispatcher.RunOnce(Soon());
      // Not exit(): the parent's database is not this process's to drop.
      _exit(result.ok() ? result->delivered : 100);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }

  std::string Effects() {
    return database_.QueryText("SELECT string_agg(what, ' ' ORDER BY n) FROM shop.effects");
  }
};

TEST_P(OutboxCrash, LosesAndDoublesNothing) {
  // Not through the pool: its transactions have kill points as well, and would read the environment
  // here.
  database_.Execute(
      "INSERT INTO shop.outbox (aggregate, kind, payload)"
      " VALUES ('a', 'a1', '{}'), ('a', 'a2', '{}'), ('b', 'b1', '{}')");

  const int died = RunInChild(GetParam().killpoint);
  ASSERT_TRUE(WIFSIGNALED(died)) << "the child was not killed, status " << died;
  ASSERT_EQ(WTERMSIG(died), SIGKILL);
  EXPECT_EQ(Effects(), GetParam().effects_at_death);
  EXPECT_EQ(Count("delivered_at IS NOT NULL"), GetParam().marked_at_death);
  LetTimePass();
  const int first = RunInChild("");
  const int second = RunInChild("");

  ASSERT_TRUE(WIFEXITED(first) && WIFEXITED(second));
  EXPECT_LE(WEXITSTATUS(first), 2);
  EXPECT_LE(WEXITSTATUS(second), 2);
  EXPECT_EQ(Effects(), "a1 b1 a2");
  EXPECT_EQ(Count("delivered_at IS NULL"), "0");
}

INSTANTIATE_TEST_SUITE_P(Table, OutboxCrash,
                         ::testing::Values(CrashCase{"AfterClaim", "outbox.claimed", "", "0"},
                                           CrashCase{"BetweenDeliveryAndMark", "outbox.delivered",
                                                     "a1 b1", "0"},
                                           CrashCase{"AfterMark", "outbox.marked", "a1 b1", "2"}),
                         [](const auto& the_case) { return the_case.param.name; });

}  // namespace
}  // namespace lockstep::outbox
