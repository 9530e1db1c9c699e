"""Backups, restores and restore points as a person on call uses them."""

import hashlib
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from harness import BINARIES, OwnCluster, Suite, wait_until
from kinds import AT_HEAD, REVISIONS, ROWS, write_definitions


def definitions(test):
    folder = tempfile.TemporaryDirectory(prefix="lockstep-backup-")
    test.addCleanup(folder.cleanup)
    root = pathlib.Path(folder.name)
    write_definitions(root / "migrations")
    return root, {"LOCKSTEP_MIGRATIONS_DIR": str(root / "migrations")}


class Backups(unittest.TestCase):
    def setUp(self):
        self.root, self.env = definitions(self)
        self.suite = Suite().__enter__()
        self.addCleanup(self.suite.__exit__, None, None, None)
        self.suite.bootstrap()

    def lockstep(self, *arguments, suite=None, check=True):
        return (suite or self.suite).lockstep(*arguments, direct=True, check=check, env=self.env)

    @staticmethod
    def applied(suite):
        return suite.sql("SELECT string_agg(revision, ',' ORDER BY revision) FROM migration.applied_revisions")

    def test_there_and_back(self):
        self.lockstep("upgrade", "bbbb")
        file = self.root / "before.dump"
        upgraded = self.lockstep("upgrade", "head", "--backup", file)
        self.assertLess(upgraded.stderr.index("backup"), upgraded.stderr.index("cccc"), "the backup comes first")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self.assertIn(digest, pathlib.Path(f"{file}.sha256").read_text())
        self.assertIn(digest[:12], self.lockstep("backups", "--json").stdout)
        self.assertEqual(self.lockstep("backup", file, check=False).returncode, 1, "a file is not replaced")

        # Into a database of its own, where it is as it was before the upgrade, and can be upgraded again.
        with Suite() as other:
            other.bootstrap()
            self.lockstep("restore", file, suite=other)
            self.assertEqual(self.applied(other), "aaaa,bbbb")
            self.assertEqual(other.sql("SELECT count(folded) FROM core.things"), str(ROWS))
            self.lockstep("verify", suite=other)
            self.lockstep("upgrade", suite=other)
            self.assertEqual(other.sql(AT_HEAD), self.suite.sql(AT_HEAD))

        # In place: not over what is there, not under somebody who lives, not from a file that was changed.
        self.assertEqual(self.lockstep("restore", file, check=False).returncode, 5, "not empty")
        self.suite.sql("INSERT INTO migration.instances (instance_id, service, build, required_revision, built_for,"
                       " address, expires_at) VALUES ('orders-7', 'orders', '1.0.0', '', '', '127.0.0.1:1',"
                       " clock_timestamp() + interval '1 minute')")
        refused = self.lockstep("restore", file, "--replace", check=False)
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("orders-7", refused.stderr)
        self.suite.sql("DELETE FROM migration.instances")
        damaged = self.root / "damaged.dump"
        damaged.write_bytes(file.read_bytes()[:-100] + b"x" * 100)
        pathlib.Path(f"{damaged}.sha256").write_text(f"{digest}  damaged.dump\n")
        self.assertNotEqual(self.lockstep("restore", damaged, "--replace", check=False).returncode, 0)
        self.assertEqual(self.applied(self.suite), ",".join(sorted(key[1] for key in REVISIONS)), "nothing was changed")
        self.lockstep("restore", file, "--replace")
        self.assertEqual(self.applied(self.suite), "aaaa,bbbb")
        self.assertIn("restore", self.lockstep("runs").stdout)

    def test_broken_off(self):
        self.lockstep("upgrade", "bbbb")
        # Enough that the dump is not written at once.
        self.suite.sql("CREATE TABLE public.large AS SELECT n, md5(n::text) || md5((-n)::text) AS t"
                       " FROM generate_series(1, 1500000) AS n")
        file = self.root / "broken.dump"
        command = [BINARIES / "lockstep", "backup", file, "--direct", self.suite.url("lockstep_migrator"), "--admin-url",
                   self.suite.url()]
        partial = pathlib.Path(f"{file}.partial")
        for how in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(how=how):
                process = subprocess.Popen(command, env=self.suite.env(**self.env), stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL)
                wait_until(lambda: partial.exists() and partial.stat().st_size > 0, "the dump is being written")
                process.send_signal(how)
                self.assertNotEqual(process.wait(timeout=30), 0)
                self.assertFalse(file.exists())
                self.assertEqual(self.suite.sql("SELECT count(*) FROM migration.backups"), "0")
                if how == signal.SIGINT:
                    self.assertFalse(partial.exists(), "Ctrl-C leaves nothing")
        # What a killed one left may be all that somebody has: it is named, not overwritten.
        refused = self.lockstep("backup", file, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(str(partial), refused.stderr)
        partial.unlink()
        self.lockstep("backup", file)
        self.assertTrue(file.exists())


class RestorePoints(unittest.TestCase):
    def test_written_where_wal_is_archived(self):
        root, env = definitions(self)
        with OwnCluster() as cluster:
            with Suite(cluster.folder) as suite:
                suite.sql("ALTER SYSTEM SET archive_mode = on")
                suite.sql("ALTER SYSTEM SET archive_command = 'true'")
            cluster.halt()
            cluster.resume()
            with Suite(cluster.folder) as suite:
                suite.bootstrap()
                suite.lockstep("upgrade", "bbbb", direct=True, env=env)
                plan = suite.lockstep("plan", "head", direct=True, env=env).stdout
                self.assertIn("restore point", plan)
                suite.lockstep("upgrade", direct=True, env=env)
                told = suite.sql("SELECT message FROM migration.run_events WHERE kind = 'restore_point' ORDER BY event_offset")
                self.assertEqual(len(told.splitlines()), 2, told)  # dddd has two steps
                name = re.search(r"lockstep dddd 2 [0-9a-f]{8}", told)
                self.assertIsNotNone(name, told)
                # In the log itself, where recovery looks for it; the cluster of the tests commits without waiting for it.
                suite.sql("SELECT pg_switch_wal()")
                data = suite.sql("SHOW data_directory")
                files = sorted(pathlib.Path(data, "pg_wal").glob("0*"))
                found = subprocess.run(["/usr/lib/postgresql/15/bin/pg_waldump", "-r", "XLOG", files[0], files[-1]],
                                       capture_output=True, text=True)
                self.assertIn(name.group(0), found.stdout)


if __name__ == "__main__":
    unittest.main()
