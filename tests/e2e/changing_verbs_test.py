"""Verbs of `lockstep` that change more than a schema's state, each on a database and migrations of its own."""

import json
import pathlib
import signal
import subprocess
import tempfile
import unittest

from harness import BINARIES, Suite, wait_until

FAILED, USAGE, BLOCKED = 1, 2, 5
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Changing(unittest.TestCase):
    """Verbs that change the database, each on a database of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lockstep-verbs-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.suite = Suite().__enter__()
        self.addCleanup(self.suite.__exit__, None, None, None)
        self.suite.bootstrap()
        (self.folder / "m" / "catalog").mkdir(parents=True)
        (self.folder / "m" / "releases.textproto").write_text("")
        self.revision("aaaa", "", "CREATE TABLE core.t_a (id integer);", "DROP TABLE core.t_a;")
        self.suite.start("migration", env=self.env)

    @property
    def env(self):
        return {"LOCKSTEP_MIGRATIONS_DIR": str(self.folder / "m"), "LOCKSTEP_ADMIN_URL": self.suite.url()}

    def revision(self, name, parent, up, down):
        folder = self.folder / "m" / "catalog" / f"{name}_x"
        folder.mkdir(exist_ok=True)
        (folder / "revision.textproto").write_text(
            f'id: "{name}"\ntitle: "Adds {name}"\nservice: "catalog"\ncreated: "2025-10-01"\nphase: PHASE_EXPAND\n' +
            (f'down_revision: "{parent}"\n' if parent else ""))
        (folder / "up.sql").write_text(up + "\n")
        (folder / "down.sql").write_text(down + "\n")
        (folder / "verify.sql").write_text("SELECT 1 WHERE false;\n")

    def lockstep(self, *args, **options):
        return self.suite.lockstep(*args, env=self.env, **options)

    def reason(self, done):
        return json.loads(done.stdout)["error"]["reason"]

    def test_stamp_records_without_running(self):
        done = self.lockstep("stamp", "head")
        self.assertRegex(done.stdout, rf"^stamped head without running anything, run {UUID}\n$")
        self.assertEqual(self.suite.sql("SELECT to_regclass('core.t_a') IS NULL"), "t")
        self.assertIn("catalog@aaaa", self.lockstep("current").stdout)
        document = json.loads(self.lockstep("stamp", "base", "--json", direct=True).stdout)
        self.assertEqual((document["kind"], document["state"]), ("stamp", "RUN_STATE_SUCCEEDED"))
        self.assertEqual(self.lockstep("current").stdout.splitlines()[-1], "1 pending")

    def test_archives_are_listed_restored_once_and_purged(self):
        self.revision("bbbb", "aaaa", "CREATE TABLE core.t_b (id integer PRIMARY KEY);", "DROP TABLE core.t_b;")
        self.lockstep("upgrade", direct=True)
        self.suite.sql("INSERT INTO core.t_b VALUES (1), (2)")
        self.lockstep("downgrade", "aaaa", "--archive", direct=True)
        lines = self.lockstep("archives").stdout.splitlines()
        self.assertRegex(lines[0], r"^ID +KIND +TABLE +ROWS +REVISION +KEPT \(UTC\) +EXPIRES +RESTORED$")
        self.assertRegex(lines[1], r"^1 +table +core\.t_b +2 +bbbb +\d{4}-.{14} +\d{4}-.{14}$")
        for direct in (False, True):
            with self.subTest(direct=direct):
                early = self.lockstep("archives", "restore", "1", "--json", direct=direct, check=False)
                self.assertEqual((early.returncode, self.reason(early)), (FAILED, "ARCHIVE_REVISION_NOT_APPLIED"))
                unknown = self.lockstep("archives", "restore", "7", "--json", direct=direct, check=False)
                self.assertEqual((unknown.returncode, self.reason(unknown)), (USAGE, "ARCHIVE_NOT_FOUND"))
                odd = self.lockstep("archives", "restore", "seven", "--json", direct=direct, check=False)
                self.assertEqual((odd.returncode, self.reason(odd)), (USAGE, "RESOURCE_NAME_MALFORMED"))
        self.lockstep("upgrade", direct=True)
        done = self.lockstep("archives", "restore", "1")
        self.assertEqual(done.stdout, "restored archive 1 of core.t_b: 2 of 2 rows came back\n")
        self.assertEqual(self.suite.sql("SELECT count(*) FROM core.t_b"), "2")
        again = self.lockstep("archives", "restore", "1", "--json", direct=True, check=False)
        self.assertEqual((again.returncode, self.reason(again)), (FAILED, "ARCHIVE_RESTORED"))
        self.assertEqual(self.lockstep("archives", "purge").stdout, "dropped 0 archives past their expiry\n")
        self.suite.sql("UPDATE migration.archives SET expires_at = now()")
        purged = json.loads(self.lockstep("archives", "purge", "--json", direct=True).stdout)
        self.assertEqual(purged, {"purged_count": 1})
        self.assertEqual(json.loads(self.lockstep("archives", "--json").stdout)["archives"], [])

    def test_amend_replaces_the_down_script_that_a_downgrade_runs(self):
        self.lockstep("upgrade")
        down = self.folder / "mended.down.sql"
        down.write_text("ALTER TABLE core.t_a RENAME TO t_kept;\n")
        done = self.lockstep("amend", "aaaa", "--down", down, "--reason", "keep the rows", "--json")
        self.assertEqual(json.loads(done.stdout), {})
        self.assertIn("the archived down script of aaaa was replaced", done.stderr)
        down.write_text("COMMIT;\n")
        for direct in (False, True):
            bad = self.lockstep("amend", "aaaa", "--down", down, "--reason", "x", "--json", direct=direct, check=False)
            self.assertEqual((bad.returncode, self.reason(bad)), (USAGE, "AMENDMENT_INVALID"))
        self.lockstep("downgrade", "base")
        self.assertEqual(self.suite.sql("SELECT to_regclass('core.t_kept') IS NOT NULL"), "t")
        self.assertEqual(self.suite.sql("SELECT reason FROM migration.amendments"), "keep the rows")

    def test_a_second_run_is_blocked_and_a_run_can_be_watched_and_cancelled(self):
        self.revision("bbbb", "aaaa", "SELECT pg_catalog.pg_sleep(60);", "SELECT 1;")
        command = [BINARIES / "lockstep", "upgrade"]
        first = subprocess.Popen(command, env=self.suite.env(**self.env), text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        self.addCleanup(lambda: (first.kill(), first.communicate()) if first.poll() is None else None)
        running = wait_until(lambda: self.suite.sql("SELECT run_id FROM migration.runs WHERE state = 'running' AND"
                                                    " EXISTS (SELECT FROM migration.applied_revisions)"), "it runs")
        second = self.lockstep("upgrade", "--json", check=False)
        self.assertEqual((second.returncode, self.reason(second)), (BLOCKED, "RUN_IN_PROGRESS"))
        self.assertIn("held by", self.lockstep("status").stdout)
        self.assertIn(running, self.lockstep("runs").stdout)

        # The caller may go: the run goes on, and another one watches it.
        first.send_signal(signal.SIGKILL)
        first.communicate()
        watch = subprocess.Popen([BINARIES / "lockstep", "watch", running], env=self.suite.env(**self.env), text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (watch.kill(), watch.communicate()) if watch.poll() is None else None)
        self.assertIn("upgrade head", watch.stdout.readline())
        done = self.lockstep("cancel", running, "--json")
        self.assertEqual(json.loads(done.stdout)["run"]["name"], f"runs/{running}")
        rest = watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, FAILED)
        self.assertIn("cancelled", rest[0])
        self.assertIn("RUN_CANCELLED", rest[1])
        self.assertEqual(self.suite.sql("SELECT string_agg(revision, ',') FROM migration.applied_revisions"), "aaaa")
        self.assertEqual(self.reason(self.lockstep("cancel", running, "--json", check=False)), "RUN_NOT_ACTIVE")
        # Straight to the ledger it is the same.
        self.assertEqual(self.reason(self.lockstep("cancel", running, "--json", direct=True, check=False)),
                         "RUN_NOT_ACTIVE")

    def test_a_freeze_holds_runs_until_it_is_lifted_or_forced(self):
        for direct in (False, True):
            with self.subTest(direct=direct):
                odd = self.lockstep("freeze", "--until", "soon", "--reason", "x", "--json", direct=direct, check=False)
                self.assertEqual((odd.returncode, self.reason(odd)), (USAGE, "UNTIL_INVALID"))
                past = self.lockstep("freeze", "--until", "2020-01-01T00:00:00Z", "--reason", "x", "--json",
                                     direct=direct, check=False)
                self.assertEqual((past.returncode, self.reason(past)), (USAGE, "FREEZE_END_OUT_OF_RANGE"))
                done = self.lockstep("freeze", "--until", "2h", "--reason", "holiday sales", direct=direct)
                self.assertRegex(done.stdout, rf"^runs are held until \d{{4}}-.{{14}} UTC, freeze {UUID}\n$")
                held = self.lockstep("upgrade", "--json", direct=direct, check=False)
                self.assertEqual((held.returncode, self.reason(held)), (BLOCKED, "FROZEN"))
                self.assertIn("holiday sales", held.stderr)
                self.assertEqual(self.lockstep("stamp", "head", direct=direct, check=False).returncode, BLOCKED)
                self.assertRegex(self.lockstep("status", direct=direct).stdout, r"freeze +until .* holiday sales")
                lifted = self.lockstep("freeze", "--lift", direct=direct)
                self.assertIn("lifted freeze", lifted.stdout)
                self.assertEqual(self.lockstep("freeze", "--lift", direct=direct).stdout,
                                 "nothing to do: no freeze is open\n")
        self.lockstep("freeze", "--until", "1d", "--reason", "audit", direct=True)
        self.assertRegex(self.lockstep("upgrade", "--force-freeze", "hotfix").stdout, r"^done: 1 steps")
        self.assertEqual(self.lockstep("downgrade", "base", check=False).returncode, BLOCKED)
        self.assertRegex(self.lockstep("downgrade", "base", "--force-freeze", "back", direct=True).stdout,
                         r"^done: 1 steps")
        listed = json.loads(self.lockstep("freeze", "--list", "--json").stdout)["freezes"]
        self.assertEqual([(freeze["reason"], freeze["is_open"]) for freeze in listed],
                         [("audit", True), ("holiday sales", False), ("holiday sales", False)])
        for flags in ((), ("--list", "--lift"), ("--until", "1h")):
            self.assertEqual(self.lockstep("freeze", *flags, check=False).returncode, USAGE)

    def test_a_reviewed_plan_runs_as_it_is_or_not_at_all(self):
        self.revision("bbbb", "aaaa", "CREATE TABLE core.t_b (id integer);", "DROP TABLE core.t_b;")
        file = self.folder / "plan.json"
        for direct in (False, True):
            with self.subTest(direct=direct):
                self.lockstep("plan", "head", "-o", file, direct=direct)
                plan = json.loads(file.read_text())["plan"]
                self.assertEqual([step["revision"] for step in plan["steps"]], ["aaaa", "bbbb"])
                self.revision("bbbb", "aaaa", "CREATE TABLE core.t_b (id bigint);", "DROP TABLE core.t_b;")
                changed = self.lockstep("upgrade", "--plan", file, "--json", direct=direct, check=False)
                self.assertEqual((changed.returncode, self.reason(changed)), (BLOCKED, "PLAN_CHANGED"))
                self.assertIn("\n  changed: catalog bbbb step 1", changed.stderr)
                self.assertEqual(self.suite.sql("SELECT count(*) FROM migration.applied_steps"), "0")
                self.revision("bbbb", "aaaa", "CREATE TABLE core.t_b (id integer);", "DROP TABLE core.t_b;")
                other = self.lockstep("upgrade", "base", "--plan", file, "--json", direct=direct, check=False)
                self.assertEqual((other.returncode, self.reason(other)), (USAGE, "TARGET_DIFFERS"))
                wrong = self.lockstep("downgrade", "--plan", file, "--json", direct=direct, check=False)
                self.assertEqual((wrong.returncode, self.reason(wrong)), (USAGE, "PLAN_INVALID"))
                self.assertRegex(self.lockstep("upgrade", "--plan", file, direct=direct).stdout, r"^done: 2 steps")
                self.lockstep("plan", "base", "--down", "-o", file, direct=direct)
                self.assertRegex(self.lockstep("downgrade", "--plan", file, direct=direct).stdout, r"^done: 2 steps")
        file.write_text(file.read_text().replace("bbbb", "cccc"))
        edited = self.lockstep("downgrade", "--plan", file, "--json", check=False)
        self.assertEqual((edited.returncode, self.reason(edited)), (USAGE, "PLAN_FILE_INVALID"))
        self.assertEqual(self.lockstep("downgrade", check=False).returncode, USAGE)

    def test_a_failed_step_is_mended_and_the_running_server_goes_on(self):
        self.revision("bbbb", "aaaa", "CREATE TABLE core.t_b (id nosuchtype);", "DROP TABLE core.t_b;")
        failed = self.lockstep("upgrade", "--json", check=False)
        self.assertEqual((failed.returncode, self.reason(failed)), (FAILED, "STEP_FAILED"))
        self.assertIn("nosuchtype", failed.stderr)
        self.revision("bbbb", "aaaa", "CREATE TABLE core.t_b (id integer);", "DROP TABLE core.t_b;")
        self.assertRegex(self.lockstep("upgrade").stdout, r"^done: 1 steps")
        self.assertEqual(self.suite.sql("SELECT kind FROM migration.amendments"), "failed_step_mended")

    def test_the_server_stops_cleanly(self):
        self.assertEqual(self.suite.stop("migration"), 0)


if __name__ == "__main__":
    unittest.main()
