"""SIGKILL at every kill point of the upgrade v2.2.1 -> v2.2.2, on the historical data: running it again converges."""

import os
import unittest

from harness import Suite
from kills import Scenario, survive_all

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
USE = """
BEGIN;
UPDATE transactions.orders SET updated_at = now() WHERE id = (SELECT id FROM transactions.orders ORDER BY id LIMIT 1);
SELECT count(*) FROM transactions.orders;
COMMIT;
"""
# How many kill points the upgrade has, and how often they are hit. A new step or kill point changes the numbers.
POINTS = 26
HITS = 189
# `make test-faults` kills at every hit, `make test` at the first of each point.
ALL_HITS = os.environ.get("LOCKSTEP_ALL_KILL_HITS") == "1"


class Killed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = Suite().__enter__()
        cls.addClassCleanup(cls.base.__exit__, None, None, None)
        cls.base.bootstrap()
        cls.base.lockstep("upgrade", "v2.2.1", direct=True)
        cls.base.load_history()

    def test_every_kill_point(self):
        scenario = Scenario(self.base, ["upgrade", "v2.2.2"], DATA, USE, user="orders_app")
        hits = scenario.record()
        print(f"{hits.total()} hits of {len(hits)} kill points: {dict(hits)}")
        self.assertEqual((len(hits), hits.total()), (POINTS, HITS))
        self.assertIn("step_commit_sent", hits)
        survive_all(self, scenario, [(name, hit, "KILL") for name, count in hits.items() for hit in range(1, count + 1)
                                     if ALL_HITS or hit == 1])


if __name__ == "__main__":
    unittest.main()
