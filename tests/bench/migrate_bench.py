"""1,000 small revisions from empty, verification included, against one psql session with one transaction each."""

import statistics
import subprocess
import tempfile
import time

from figures import spread, up_sql, write_revisions
from harness import BINARIES, Suite

COUNT = 1000
ROUNDS = 5


def timed(command, **options):
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, **options)
    return time.monotonic() - start


def lockstep_run(migrations):
    with Suite() as suite:
        suite.bootstrap()
        return timed([BINARIES / "lockstep", "upgrade", "--direct", suite.url("lockstep_migrator"), "--migrations",
                      migrations], env=suite.env())


def psql_run():
    """The yardstick does what a plain script would: the change and its row in a version table, committed together."""
    script = "".join(
        f"BEGIN;\n{up_sql(number)}INSERT INTO transactions.versions VALUES ({number}, now());\nCOMMIT;\n"
        for number in range(1, COUNT + 1))
    with Suite() as suite:
        suite.bootstrap()
        suite.sql("CREATE TABLE transactions.versions (version int PRIMARY KEY, applied_at timestamptz)")
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            return timed(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", file.name, suite.url()])


with tempfile.TemporaryDirectory() as folder:
    write_revisions(folder, COUNT)
    ours, yardstick = [], []
    for _ in range(ROUNDS):
        yardstick.append(psql_run())
        ours.append(lockstep_run(folder))
print(f"{COUNT} revisions, lockstep upgrade: {spread(ours, 's')}")
print(f"{COUNT} revisions, one psql session:  {spread(yardstick, 's')}")
print(f"ratio {statistics.median(ours) / statistics.median(yardstick):.2f} (bar 1.5)")
