"""Revisions with a step of every kind, up and down again, with something dying at their kill points."""

import os
import pathlib
import tempfile
import unittest

from harness import Suite
from kinds import AT_HEAD, write_definitions
from kills import Scenario, survive_all

# `make test-faults` lets every hit of every point die in each way; `make test` kills at the first one of each point.
ALL_HITS = os.environ.get("LOCKSTEP_ALL_KILL_HITS") == "1"
EVERY_WAY = ("TERM", "TAKEOVER", "BACKEND")

# After a downgrade: what the archives keep.
AT_BASE = "SELECT string_agg(source || ' ' || kind || ' ' || row_count, ',' ORDER BY source, kind) FROM migration.archives"
USE = """
BEGIN;
UPDATE core.things SET name = name || '!' WHERE id = 1;
SELECT folded FROM core.things WHERE id = 1;
COMMIT;
"""


class KilledKinds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="lockstep-kinds-")
        cls.addClassCleanup(folder.cleanup)
        write_definitions(pathlib.Path(folder.name))
        cls.env = {"LOCKSTEP_MIGRATIONS_DIR": folder.name}
        cls.base = Suite().__enter__()
        cls.addClassCleanup(cls.base.__exit__, None, None, None)
        cls.base.bootstrap()

    def survive(self, scenario, points):
        hits = scenario.record()
        print(f"{hits.total()} hits of {len(hits)} kill points of {' '.join(scenario.command)}: {dict(hits)}")
        self.assertLessEqual(points, set(hits))
        chosen = [(name, hit, "KILL") for name, count in hits.items() for hit in range(1, count + 1) if ALL_HITS or hit == 1]
        if ALL_HITS:
            chosen += [(name, count, dies) for name, count in hits.items() for dies in EVERY_WAY]
        survive_all(self, scenario, chosen)
        print(f"{len(chosen)} runs in which something died")

    def test_up(self):
        scenario = Scenario(self.base, ["upgrade"], AT_HEAD, USE, "catalog_app", self.env)
        self.survive(scenario, {"step_before_message", "step_checked", "concurrent_sent", "backfill_commit_sent",
                                "privileged_commit_sent", "step_commit_sent", "steps_commit_sent", "verify_begin"})

    def test_down(self):
        with Suite() as top:
            top.bootstrap()
            top.lockstep("upgrade", direct=True, env=self.env)
            scenario = Scenario(top, ["downgrade", "base", "--archive"], AT_BASE, env=self.env)
            self.survive(scenario, {"step_prepared", "undo_archived", "concurrent_sent", "privileged_commit_sent"})


if __name__ == "__main__":
    unittest.main()
