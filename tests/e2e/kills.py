"""The kill-point harness: a scenario is run once undisturbed, then again with something dying at each kill point that it
passes. Whatever died, running the same command again must end where the undisturbed run ended.

What may die, by name:
  KILL      the runner, by SIGKILL
  TERM      the runner is asked to stop; it may finish what it does
  TAKEOVER  the runner stands still until a successor has done its work, then goes on
  BACKEND   the runner's sessions are ended by PostgreSQL's administrator while it stands still
"""

import collections
import concurrent.futures
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from harness import BINARIES, Suite, cluster_url, psql, wait_until

# Seconds. A successor waits that long for a runner that died.
LEASE_TTL = 1
# Seconds beyond the lease within which the second run has repaired everything.
RECOVERY = 5

# Each step exactly once, as done.
LEDGER = """
SELECT string_agg(revision || '/' || ordinal || '/' || checksum, ',' ORDER BY revision, ordinal) FROM migration.applied_steps
"""
REVISIONS = "SELECT string_agg(revision || '/' || checksum, ',' ORDER BY revision) FROM migration.applied_revisions"
# A run that died before it had the lease still waits for it, as far as others can tell for a minute.
LEFTOVERS = """
SELECT concat_ws(', ',
  (SELECT 'invalid index ' || string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE NOT indisvalid HAVING count(*) > 0),
  (SELECT 'prepared transaction ' || string_agg(gid, ' ') FROM pg_prepared_xacts
    WHERE database = current_database() HAVING count(*) > 0),
  (SELECT 'advisory lock of ' || string_agg(l.pid::text, ' ') FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' HAVING count(*) > 0),
  (SELECT 'intent of ' || string_agg(DISTINCT revision, ' ') FROM migration.step_intents HAVING count(*) > 0),
  (SELECT 'recorded session ' || string_agg(pid::text, ' ') FROM migration.runner_sessions HAVING count(*) > 0),
  (SELECT 'unfinished run ' || string_agg(run_id::text, ' ') FROM migration.runs WHERE state = 'running'
   HAVING count(*) > 0))
"""


class Copy:
    """Drops a suite's database at the end; it exists already, unlike that of `with Suite()`."""

    def __init__(self, suite):
        self.suite = suite

    def __enter__(self):
        return self.suite

    def __exit__(self, *arguments):
        self.suite.__exit__(*arguments)


class Scenario:
    """A command of `lockstep` that changes copies of `base`.

    `data` is a query whose one value is equal whenever the same rows are there; `use` is SQL that writes and reads the
    way a service would, as `user`.
    """

    def __init__(self, base, command, data, use="SELECT 1", user="lockstep_admin", env=None):
        self.base, self.command, self.data, self.use, self.user = base, command, data, use, user
        self.env = env or {}
        # A template must have no other session while it is copied.
        self._template_lock = threading.Lock()
        self.expected = None

    def clone(self):
        suite = Suite()
        with self._template_lock:
            psql(cluster_url(), f"CREATE DATABASE {suite.name} TEMPLATE {self.base.name}")
        # A copy has the schemas but not the rights on the database itself.
        suite.bootstrap()
        return Copy(suite)

    def arguments(self, suite):
        return [BINARIES / "lockstep", *self.command, "--direct", suite.url("lockstep_migrator"), "--admin-url",
                suite.url(), "--lease-ttl", str(LEASE_TTL)]

    def run(self, suite, **env):
        return subprocess.run(self.arguments(suite), env=suite.env(**self.env, **env), capture_output=True, text=True,
                              timeout=120)

    def state(self, suite):
        schema = subprocess.check_output(["pg_dump", "-s", "--exclude-schema=migration*", suite.url()], text=True)
        schema = "\n".join(line for line in schema.splitlines()
                           if not line.startswith(("\\restrict", "\\unrestrict", "--")))
        return {"catalog": schema, "data": suite.sql(self.data), "steps": suite.sql(LEDGER),
                "revisions": suite.sql(REVISIONS)}

    def record(self):
        """Runs undisturbed; returns how often each kill point is passed, in order of the first time."""
        with self.clone() as reference, tempfile.TemporaryDirectory() as folder:
            record = pathlib.Path(folder) / "points"
            done = self.run(reference, LOCKSTEP_KILLPOINT_RECORD=str(record))
            if done.returncode != 0:
                raise AssertionError(f"{self.command} exited with {done.returncode}: {done.stderr}")
            self.expected = self.state(reference)
            return collections.Counter(record.read_text().split())

    def survives(self, name, hit, dies="KILL"):
        """Lets something die at one hit and runs again. Returns what is wrong, or None."""
        with self.clone() as suite:
            problem = getattr(self, f"_{dies.lower()}")(suite, f"{name}:{hit}")
            if problem:
                return problem
            started = time.monotonic()
            again = self.run(suite)
            took = time.monotonic() - started
            if again.returncode != 0:
                return f"did not recover: {again.stderr}"
            if took > LEASE_TTL + RECOVERY:
                return f"took {took:.1f} s to recover"
            return self._differs(suite) or self._refuses(suite)

    def _differs(self, suite):
        for what, value in self.state(suite).items():
            if value != self.expected[what]:
                return f"other {what} than the run that was left alone:\n{value}\ninstead of\n{self.expected[what]}"
        leftovers = suite.sql(LEFTOVERS)
        return f"left over: {leftovers}" if leftovers else None

    def _refuses(self, suite):
        """Writes and reads, so it comes after the last look at the data."""
        used = psql(suite.url(self.user), self.use, check=False)
        return f"cannot be used: {used.stderr}" if used.returncode != 0 else None

    def _kill(self, suite, point):
        killed = self.run(suite, LOCKSTEP_KILLPOINT=point)
        if killed.returncode != -signal.SIGKILL:
            return f"did not die but exited with {killed.returncode}: {killed.stderr}"
        return None

    def _term(self, suite, point):
        stopped = self.run(suite, LOCKSTEP_KILLPOINT=point, LOCKSTEP_KILLPOINT_SIGNAL="TERM")
        # 0: nothing was left to stop. Another exit code than 1 and 5 would be a crash or a wrong word for it.
        return None if stopped.returncode in (0, 1, 5, -signal.SIGTERM) else f"exited with {stopped.returncode}: {stopped.stderr}"

    def _stopped(self, suite, point):
        process = subprocess.Popen(self.arguments(suite), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=suite.env(**self.env, LOCKSTEP_KILLPOINT=point, LOCKSTEP_KILLPOINT_SIGNAL="STOP"))
        stat = pathlib.Path(f"/proc/{process.pid}/stat")

        def is_still():
            if process.poll() is not None:
                raise AssertionError(f"exited with {process.returncode} before {point}: {process.stderr.read()}")
            return stat.read_text().rpartition(")")[2].split()[0] == "T"

        wait_until(is_still, f"the runner stands still at {point}")
        return process

    def _takeover(self, suite, point):
        overtaken = self._stopped(suite, point)
        try:
            successor = self.run(suite)
            if successor.returncode != 0:
                return f"the successor failed: {successor.stderr}"
            overtaken.send_signal(signal.SIGCONT)
            overtaken.communicate(timeout=60)
            # Whatever it says, it must have changed nothing any more.
            return self._differs(suite)
        finally:
            overtaken.kill()
            overtaken.wait()

    def _backend(self, suite, point):
        cut = self._stopped(suite, point)
        try:
            suite.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                      f" WHERE datname = '{suite.name}' AND pid <> pg_backend_pid()")
            cut.send_signal(signal.SIGCONT)
            _, errors = cut.communicate(timeout=60)
            # It may have been done already, or find out that it was, or say that it was cut off.
            return None if cut.returncode in (0, 1, 5, 7, 9) else f"exited with {cut.returncode}: {errors}"
        finally:
            cut.kill()
            cut.wait()


def survive_all(test, scenario, chosen):
    """Fails `test` for every (name, hit, what dies) of `chosen` that is not survived."""
    # Most of a run's time is waiting for the dead runner's lease to end, so several go at once.
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        for (name, hit, dies), problem in zip(chosen, pool.map(lambda one: scenario.survives(*one), chosen)):
            with test.subTest(point=name, hit=hit, dies=dies):
                test.assertIsNone(problem)
