"""SIGKILL at every kill point of the upgrade v2.2.1 -> v2.2.2, on the historical data: running it again converges."""

import collections
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import BINARIES, Suite, cluster_url, psql

# Ids are new in every run, times differ, and the ledger's own rows name runs; everything else must be equal.
DATA = """
SELECT md5(string_agg(t, ',' ORDER BY t)) FROM (
  SELECT (to_jsonb(o) - 'id' - 'updated_at')::text AS t FROM transactions.orders o
  UNION ALL
  SELECT m.legacy_transaction_id || m.match_kind || m.matched_on || coalesce((m.before_image - 'id')::text, '-') || o.external_id
    FROM transactions.legacy_order_map m JOIN transactions.orders o ON o.id = m.order_id
  UNION ALL
  SELECT to_jsonb(i)::text FROM products.inventory i
  UNION ALL
  SELECT to_jsonb(l)::text FROM transactions.transactions l) all_rows
"""
# Each step exactly once, as done.
LEDGER = "SELECT string_agg(revision || '/' || ordinal || '/' || checksum, ',' ORDER BY revision, ordinal) FROM migration.applied_steps"
LEFTOVERS = """
SELECT (SELECT count(*) FROM pg_index WHERE NOT indisvalid)
     + (SELECT count(*) FROM pg_prepared_xacts)
     + (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory')
"""


# How many kill points the upgrade has, and how often they are hit. A new step or kill point changes the numbers.
POINTS = 26
HITS = 177
# `make test-faults` kills at every hit, `make test` at the first of each point.
ALL_HITS = os.environ.get("LOCKSTEP_ALL_KILL_HITS") == "1"


class Copy:
    """Drops a suite's database at the end; it exists already, unlike that of `with Suite()`."""

    def __init__(self, suite):
        self.suite = suite

    def __enter__(self):
        return self.suite

    def __exit__(self, *arguments):
        self.suite.__exit__(*arguments)


class Killed(unittest.TestCase):
    # A template must have no other session while it is copied.
    template_lock = threading.Lock()

    @classmethod
    def setUpClass(cls):
        cls.base = Suite().__enter__()
        cls.addClassCleanup(cls.base.__exit__, None, None, None)
        cls.base.bootstrap()
        cls.base.lockstep("upgrade", "v2.2.1", direct=True)
        cls.base.load_history()

    def clone(self):
        """A copy of the database at v2.2.1 with the historical data; a context manager that drops it."""
        suite = Suite()
        with self.template_lock:
            psql(cluster_url(), f"CREATE DATABASE {suite.name} TEMPLATE {self.base.name}")
        return Copy(suite)

    def upgrade(self, suite, **env):
        return subprocess.run([BINARIES / "lockstep", "upgrade", "v2.2.2", "--direct", suite.url("lockstep_migrator"),
                               "--admin-url", suite.url(), "--lease-ttl", "5"], env=suite.env(**env), capture_output=True, text=True,
                              timeout=120)

    def state(self, suite):
        schema = subprocess.check_output(["pg_dump", "-s", "--exclude-schema=migration*", suite.url()], text=True)
        schema = "\n".join(line for line in schema.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "--")))
        return schema, suite.sql(DATA), suite.sql(LEDGER)

    def test_every_kill_point(self):
        with self.clone() as reference, tempfile.TemporaryDirectory() as folder:
            record = pathlib.Path(folder) / "points"
            done = self.upgrade(reference, LOCKSTEP_KILLPOINT_RECORD=str(record))
            self.assertEqual(done.returncode, 0, done.stderr)
            points = record.read_text().split()
            expected = self.state(reference)
        hits = collections.Counter(points)
        print(f"{len(points)} hits of {len(hits)} kill points: {dict(hits)}")
        self.assertEqual((len(hits), len(points)), (POINTS, HITS))
        self.assertIn("step_commit_sent", hits)
        chosen = [(name, n) for name, count in hits.items() for n in range(1, count + 1)
                  if ALL_HITS or n == 1]
        # Most of a run's time is waiting for the dead runner's lease to end, so several go at once.
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
            for (name, n), problem in zip(chosen, pool.map(lambda hit: self.survives(expected, *hit), chosen)):
                with self.subTest(point=name, hit=n):
                    self.assertIsNone(problem)

    def survives(self, expected, name, n):
        """Kills at one hit and runs again. Returns what is wrong, or None."""
        with self.clone() as suite:
            killed = self.upgrade(suite, LOCKSTEP_KILLPOINT=f"{name}:{n}")
            if killed.returncode != -signal.SIGKILL:
                return f"did not die but exited with {killed.returncode}: {killed.stderr}"
            again = self.upgrade(suite)
            if again.returncode != 0:
                return f"did not recover: {again.stderr}"
            if self.state(suite) != expected:
                return "another catalog, other data or another ledger than the run that was not killed"
            leftovers = suite.sql(LEFTOVERS)
            return None if leftovers == "0" else f"{leftovers} invalid indexes, prepared transactions or locks left"


if __name__ == "__main__":
    unittest.main()
