"""Only the link between a service and the migration service is cut: the service stops before its lease ends, and what
waits for that goes through."""

import time
import unittest

from harness import Suite, wait_until
from link import Link

BLOCKED = 5
# The period of a lease, and a little for slow machines.
LONGEST_SECONDS = 25
SESSIONS = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name ~ '^lockstep-orders(-outbox)? [0-9a-f]{12}$'")
# Lease and sessions at the same moment, by the same clock.
LOOK = f"""SELECT CASE WHEN max(expires_at) > clock_timestamp() THEN 'live' ELSE 'ended' END, ({SESSIONS})
             FROM migration.instances WHERE service = 'orders'"""


class CutLink(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = cls.enterClassContext(Suite())
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start("migration")
        cls.link = cls.enterClassContext(Link(cls.suite.ports["migration"]))
        cls.suite.start("orders", env={"LOCKSTEP_ENDPOINT_MIGRATION": f"127.0.0.1:{cls.link.port}"})

    def look(self):
        state, sessions = self.suite.sql(LOOK).split("|")
        return state, int(sessions)

    def downgrade(self):
        return self.suite.lockstep("downgrade", "v2.2.1", check=False)

    def names(self):
        return [self.suite.health("orders", name) for name in
                ("", "readiness", "lockstep.orders.v1.OrderService", "lockstep.orders.v1.ImportService")]

    def test_a_service_is_gone_before_its_lease_ends(self):
        self.assertEqual(set(self.names()), {"SERVING"})
        self.assertGreater(self.look()[1], 0)

        self.link.cut()
        refused = self.downgrade()

        self.assertEqual(refused.returncode, BLOCKED, refused.stderr)
        self.assertIn("orders@", refused.stdout + refused.stderr)
        self.assertEqual(self.suite.health("orders", "readiness"), "SERVING")

        # In this order: not ready, no session left, the lease ends.
        seen = []
        deadline = time.monotonic() + LONGEST_SECONDS
        while not seen or seen[-1][1] != "ended":
            self.assertLess(time.monotonic(), deadline, seen[-5:])
            seen.append((self.suite.health("orders", "readiness"), *self.look()))
            time.sleep(0.05)
        self.assertIn(("NOT_SERVING", "live", 0), seen)
        self.assertEqual([at for at, look in enumerate(seen) if look[1] == "ended" and look[2] > 0], [], seen[-20:])
        not_serving = [at for at, look in enumerate(seen) if look[0] == "NOT_SERVING"]
        no_session = [at for at, look in enumerate(seen) if look[2] == 0]
        self.assertLess(not_serving[0], no_session[0])
        self.assertEqual(set(self.names()), {"NOT_SERVING"})
        self.assertEqual(self.suite.health("orders", "liveness"), "SERVING")
        self.assertIn("LEASE_NOT_RENEWED", self.suite.log("orders"))

        done = self.downgrade()
        self.assertEqual(done.returncode, 0, done.stderr)

        # Back with the registry it is told that its revision is gone, and waits for it without a session.
        self.link.mend()
        wait_until(lambda: '"ready":false' in self.suite.log("orders"), "the service learns of the downgrade")
        self.assertEqual(self.look()[1], 0)
        self.suite.lockstep("upgrade", direct=True)
        self.suite.await_ready("orders")
        self.assertGreater(self.look()[1], 0)


if __name__ == "__main__":
    unittest.main()
