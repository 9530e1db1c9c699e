"""Processes whose wall clocks are minutes off: no lease is longer, shorter or worth less for it."""

import datetime
import json
import pathlib
import signal
import time
import unittest

from harness import Suite, wait_until

BLOCKED = 5
LEASE_SECONDS = 15
# The registry is ahead of the database, one service behind it, another ahead of all.
OFF = {"migration": "+5m", "orders": "-5m", "catalog": "+10m"}
LEFT = """SELECT coalesce(string_agg(service, ',' ORDER BY service), '') FROM migration.instances
           WHERE service IN ('catalog', 'orders') AND expires_at > clock_timestamp()"""


def wrong_clock(offset):
    libraries = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        raise AssertionError("libfaketime is missing; `make test` installs it")
    # The monotonic clock of a real machine does not jump either.
    return {"LD_PRELOAD": str(libraries[0]), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0"}


def clear_shared_memory(pid):
    """The library leaves it behind, however its process ends."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        pathlib.Path("/dev/shm", name).unlink(missing_ok=True)


class WrongClocks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = cls.enterClassContext(Suite())
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        for service, offset in OFF.items():
            cls.suite.start(service, env=wrong_clock(offset))
            cls.addClassCleanup(clear_shared_memory, cls.suite.processes[service].pid)

    def live(self):
        return self.suite.sql(LEFT)

    def downgrade(self):
        return self.suite.lockstep("downgrade", "v2.2.1", check=False)

    def minutes_off(self, service):
        first = json.loads(self.suite.log(service).splitlines()[0])
        told = datetime.datetime.fromisoformat(first["time"].replace("Z", "+00:00"))
        return round((told - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 60)

    def test_leases_last_as_long_as_they_should(self):
        self.assertEqual({service: self.minutes_off(service) for service in OFF},
                         {service: int(offset[:-1]) for service, offset in OFF.items()})
        begun = time.monotonic()
        while time.monotonic() - begun < LEASE_SECONDS + 3:
            self.assertEqual(self.live(), "catalog,orders")
            for service in ("catalog", "orders"):
                self.assertEqual(self.suite.health(service, "readiness"), "SERVING")
            time.sleep(0.5)
        refused = self.downgrade()
        self.assertEqual(refused.returncode, BLOCKED, refused.stderr)
        self.assertIn("orders@", refused.stdout + refused.stderr)

        # Nobody tells the registry that they are gone.
        for service in ("catalog", "orders"):
            self.suite.stop(service, signal.SIGKILL)
        killed = time.monotonic()
        self.assertEqual(self.downgrade().returncode, BLOCKED, "silent, but alive as far as anybody knows")
        wait_until(lambda: self.live() == "", "the leases end", LEASE_SECONDS + 5)
        self.assertGreater(time.monotonic() - killed, LEASE_SECONDS - 6, "not before their time")
        done = self.downgrade()
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
