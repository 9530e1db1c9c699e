"""Histories of eight tools: imported, applied from empty, compared with what psql makes of the same files, and back."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import Suite, psql
from histories import ALL, History


def schema_of(url):
    """What is outside of the ledger and the services' own schemas, as pg_dump writes it, without owners and grants."""
    ours = "migration|auth|core|products|transactions|finance|analytics"
    dump = subprocess.check_output(["pg_dump", "--schema-only", "--no-owner", "--no-acl", f"--exclude-schema=({ours})", url],
                                   text=True)
    lines = [line for line in dump.splitlines() if line and not re.match(r"--|SET |SELECT pg_catalog|\\", line)]
    # A comment is the extension's own, and only its owner may write it again.
    return "\n".join(line for line in lines if not line.startswith("COMMENT ON EXTENSION"))


class ImportCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lockstep-import-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.env = {"LOCKSTEP_MIGRATIONS_DIR": str(self.root / "migrations")}
        self.suite = Suite().__enter__()
        self.addCleanup(self.suite.__exit__, None, None, None)

    def plant(self, files):
        for name, text in files.items():
            path = self.root / "history" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return self.root / "history"

    def lockstep(self, *arguments, code=0):
        done = self.suite.lockstep(*arguments, direct=True, check=False, env=self.env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def run_import(self, history, *more, code=0):
        folder = self.plant(history.files)
        done = self.lockstep("import", "--format", history.format, folder, "--service", "orders", "--json", *history.options,
                             *more, code=code)
        return json.loads(done.stdout)

    def upgrade(self, *target):
        return self.lockstep("upgrade", *target)

    def reference(self, scripts):
        """What psql makes of the scripts, each in a session of its own, in a database of its own."""
        with Suite() as other:
            for script in scripts:
                psql(other.url(), script)
            return schema_of(other.url())


class Imports(ImportCase):
    def test_every_format_there_and_back(self):
        for history in ALL:
            with self.subTest(history.format):
                self.setUp()
                self.check(history)

    def check(self, history):
        report = self.run_import(history)
        self.assertTrue(report["was_written"])
        self.assertEqual(len(report["revisions"]), len(history.scripts) + 1)
        self.suite.bootstrap()
        empty = schema_of(self.suite.url())
        self.upgrade()
        expected = self.reference(history.scripts)
        self.assertEqual(schema_of(self.suite.url()), expected)
        if history.rows:
            self.assertEqual(psql(self.suite.url(), history.rows[0]), history.rows[1])
        self.lockstep("verify")
        last = history.irreversible
        target = report["revisions"][last]["id"] if last else "base"
        if last:
            blocked = self.lockstep("downgrade", "base", code=5)
            self.assertIn("irreversible", blocked.stderr)
        self.lockstep("downgrade", target)
        if not last:
            self.assertEqual(schema_of(self.suite.url()), empty)
        self.upgrade()
        self.assertEqual(schema_of(self.suite.url()), expected)
        again = self.run_import(history)
        self.assertFalse(any(revision["is_new"] for revision in again["revisions"]))

    def small(self, **files):
        """A history of golang-migrate that is imported into a bootstrapped database."""
        history = History("golang-migrate", {name.replace("_sql", ".sql").replace("_up", ".up").replace("_down", ".down")[1:]: text
                                             for name, text in files.items()}, [])
        report = self.run_import(history)
        self.suite.bootstrap()
        return report

    def test_says_what_cannot_be_carried_over(self):
        bad = History("goose", {"1_a.sql": "-- +goose Up\nSELECT 1;\nROLLBACK;\n", "2_b.go": "", "notes.txt": ""}, [])
        report = self.run_import(bad, code=1)
        self.assertFalse(report["was_written"])
        self.assertEqual([(problem["file"], problem["line"], problem["code"]) for problem in report["problems"]],
                         [("1_a.sql", 3, "IMPORT_TRANSACTION_CONTROL"), ("2_b.go", 0, "IMPORT_NOT_SQL")])
        self.assertEqual(report["ignored"], ["notes.txt"])
        self.assertTrue(self.run_import(bad, "--allow-incomplete", code=1)["was_written"])
        told = self.lockstep("import", "--format", "goose", self.root / "history", "--service", "orders", code=1)
        self.assertIn("1_a.sql:3: ROLLBACK", told.stderr)
        self.lockstep("import", "--format", "liquibase", self.root / "history", "--service", "orders", code=2)
        self.lockstep("import", "--format", "goose", self.root / "nowhere", "--service", "orders", code=2)

    def test_finishes_a_revision_that_failed_between_its_steps(self):
        self.small(_1_t_up_sql="CREATE TABLE t (i int);\nINSERT INTO t VALUES (1), (1);\n"
                               "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_i ON t (i);\nALTER TABLE t ADD j int;\n",
                   _1_t_down_sql="DROP TABLE t;\n")
        self.lockstep("upgrade", code=1)
        # One script undoes all of its steps, so what is half there is finished first.
        refused = self.lockstep("downgrade", "base", code=5)
        self.assertIn("finishes it", refused.stderr)
        self.suite.sql("DELETE FROM t")
        # An invalid index that stands in the way does not pass for built.
        self.lockstep("upgrade")
        self.assertEqual(self.suite.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_i'::regclass"), "t")
        self.lockstep("downgrade", "base")
        self.assertEqual(self.suite.sql("SELECT to_regclass('t') IS NULL"), "t")

    def test_an_invalid_index_does_not_pass_for_built(self):
        self.small(_1_t_up_sql="CREATE TABLE t (i int);\nINSERT INTO t VALUES (1), (1);\n",
                   _2_x_up_sql="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_i ON t (i);\n")
        self.lockstep("upgrade", "orders@migrate_orders_1")
        psql(self.suite.url(), "CREATE UNIQUE INDEX CONCURRENTLY t_i ON t (i)", check=False)
        failed = self.lockstep("upgrade", code=1)
        self.assertIn("t_i", failed.stderr)
        self.assertNotIn("migrate_orders_2", self.suite.sql("SELECT string_agg(revision, ' ') FROM migration.applied_revisions"))

    def test_a_down_that_fails_stops_there(self):
        self.small(_1_a_up_sql="CREATE TABLE a (i int);", _1_a_down_sql="DROP TABLE a;",
                   _2_b_up_sql="CREATE TABLE b (i int);", _2_b_down_sql="DROP TABLE b;\nDROP TABLE nowhere;",
                   _3_c_up_sql="CREATE TABLE c (i int);", _3_c_down_sql="DROP TABLE c;")
        self.lockstep("upgrade")
        failed = self.lockstep("downgrade", "base", code=1)
        self.assertIn("nowhere", failed.stderr)
        self.assertEqual(self.suite.sql("SELECT string_agg(revision, ' ' ORDER BY revision) FROM migration.applied_revisions"),
                         "migrate_orders_1 migrate_orders_2 migrate_orders_import_access")
        self.assertEqual(self.suite.sql("SELECT concat(to_regclass('a'), to_regclass('b'), to_regclass('c'))"), "ab")
        self.lockstep("upgrade")

    def test_keeps_a_down_that_nobody_can_read(self):
        report = self.small(_1_a_up_sql="CREATE TABLE a (i int);", _1_a_down_sql="DROP TABLE a;\nFUTURE SYNTAX;\n")
        self.assertEqual([(note["file"], note["line"], note["code"]) for note in report["notes"]],
                         [("1_a.down.sql", 2, "IMPORT_OPAQUE")])
        self.lockstep("upgrade")
        self.assertIn("FUTURE", self.lockstep("downgrade", "base", code=1).stderr)
        self.assertEqual(self.suite.sql("SELECT to_regclass('a')"), "a")

    def test_goes_past_what_is_irreversible_only_when_told(self):
        self.small(_1_a_up_sql="CREATE TABLE a (i int);", _1_a_down_sql="-- nothing\n")
        self.lockstep("upgrade")
        self.lockstep("downgrade", "base", code=5)
        archived = self.lockstep("downgrade", "base", "--allow-irreversible")
        self.assertIn("migrate_orders_1", archived.stderr)
        self.assertEqual(self.suite.sql("SELECT to_regclass('a')"), "a")

    def test_keeps_out_of_what_others_own(self):
        self.small(_1_a_up_sql="DO $$ BEGIN EXECUTE 'CREATE TABLE ' || 'core.a (i int)'; END $$;")
        failed = self.lockstep("upgrade", code=1)
        self.assertIn("permission denied for schema core", failed.stderr)

    def test_archives_nothing_it_cannot_see(self):
        self.small(_1_a_up_sql="CREATE TABLE a (i int);", _1_a_down_sql="DROP TABLE a;")
        self.lockstep("upgrade")
        self.assertIn("without their schemas", self.lockstep("downgrade", "base", "--archive", code=5).stderr)

    def test_a_settings_of_a_file_ends_with_its_revision(self):
        self.small(_1_a_up_sql="SET search_path TO app, public;\nCREATE SCHEMA app;\nCREATE TABLE a (i int);\n"
                               "CREATE INDEX CONCURRENTLY a_i ON a (i);\nSET TIME ZONE 'Asia/Tokyo';\nSET lock_timeout = 0;\n"
                               "CREATE VIEW v AS SELECT i FROM a;\n",
                   _2_b_up_sql="CREATE TABLE b AS SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS z;")
        self.lockstep("upgrade")
        self.assertEqual(self.suite.sql("SELECT to_regclass('app.a'), to_regclass('app.v'), to_regclass('app.a_i')"),
                         "app.a|app.v|app.a_i")
        self.assertEqual(self.suite.sql("SELECT path, z FROM b"), '"$user", public|UTC')

    def test_script_of_an_upgrade_does_the_same(self):
        history = ALL[0]
        self.run_import(history)
        self.suite.bootstrap()
        script = self.lockstep("upgrade", "--sql").stdout
        psql(self.suite.url(), script)
        self.assertEqual(schema_of(self.suite.url()), self.reference(history.scripts))
        self.assertEqual(psql(self.suite.url(), history.rows[0]), history.rows[1])
        self.lockstep("upgrade")

    def test_lint_and_rehearsal_tell_and_refuse_nothing(self):
        self.small(_1_a_up_sql="CREATE TABLE a (i int);", _1_a_down_sql="DROP TABLE a;",
                   _2_b_up_sql="CREATE INDEX a_i ON a (i);", _2_b_down_sql="DROP INDEX a_i;")
        self.lockstep("lint", self.root / "migrations")
        self.lockstep("rehearse")


if __name__ == "__main__":
    unittest.main()
