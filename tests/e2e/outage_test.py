"""The database goes away and comes back under the real binaries: readiness follows, liveness does not."""

import time
import unittest

from harness import SERVICES, OwnCluster, Suite, wait_until

LIMIT_SECONDS = 2.0
# Longer than a service may serve and use its database without a renewed lease (10 and 13 of its 15 seconds): then the
# lease has to be back as well.
LONG_OUTAGE_SECONDS = 14.5


class Outage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(OwnCluster())
        cls.suite = cls.enterClassContext(Suite(cls.cluster.folder))
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start()

    def assert_all_are(self, status, since):
        for service in SERVICES:
            seconds = since + LIMIT_SECONDS - time.monotonic()
            wait_until(lambda: self.suite.health(service, "readiness") == status, f"{service} {status}", seconds)
        for service in SERVICES:
            self.assertEqual(self.suite.health(service, "liveness"), "SERVING", service)

    def outage(self, seconds):
        stopped_at = time.monotonic()
        self.cluster.halt()
        self.assert_all_are("NOT_SERVING", time.monotonic())
        while time.monotonic() < stopped_at + seconds:
            for service in SERVICES:
                self.assertEqual(self.suite.health(service, "liveness"), "SERVING", service)
            time.sleep(0.2)
        self.cluster.resume()
        self.assert_all_are("SERVING", time.monotonic())

    def test_1_short_outage(self):
        self.outage(0)

    def test_2_outage_longer_than_the_lease(self):
        self.outage(LONG_OUTAGE_SECONDS)


if __name__ == "__main__":
    unittest.main()
