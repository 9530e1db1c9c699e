"""`lockstep upgrade` with nothing to do at 1,000 known revisions, against dbmate (pinned in package.json) where it is."""

import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from figures import spread, up_sql, write_revisions
from harness import BINARIES, SOURCE, Suite, psql

COUNT = 1000
ROUNDS = 30


def find_dbmate():
    """The npm registry's, else one on PATH; None where there is neither (npm has none of this version for arm64)."""
    pinned = next((SOURCE / "node_modules/@dbmate").glob("linux-*/bin/dbmate"), None)
    return pinned or shutil.which("dbmate")


def timed(command, env):
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return (time.monotonic() - start) * 1000


with tempfile.TemporaryDirectory() as folder, Suite() as suite:
    write_revisions(f"{folder}/migrations", COUNT)
    suite.bootstrap()
    # The cache never trusts files that are younger than the clock's grain.
    time.sleep(1.1)
    env = suite.env(XDG_CACHE_HOME=f"{folder}/cache")
    command = [BINARIES / "lockstep", "upgrade", "--direct", suite.url("lockstep_migrator"), "--migrations",
               f"{folder}/migrations"]
    timed(command, env)
    dbmate = find_dbmate()
    ours, theirs = [], []
    if dbmate:
        files = pathlib.Path(folder) / "dbmate"
        files.mkdir()
        for number in range(1, COUNT + 1):
            (files / f"{number:014d}_bench.sql").write_text(
                "-- migrate:up\n" + up_sql(number).replace("transactions.", "other.") + "-- migrate:down\n")
        psql(suite.url(), "CREATE SCHEMA other")
        host = suite.url().split("host=")[1].split()[0]
        their_env = suite.env(DATABASE_URL=f"postgres://lockstep_admin@/{suite.name}?host={host}&sslmode=disable")
        their_command = [dbmate, "--no-dump-schema", "-d", str(files), "migrate"]
        timed(their_command, their_env)
    for _ in range(ROUNDS):
        ours.append(timed(command, env))
        if dbmate:
            theirs.append(timed(their_command, their_env))
print(f"nothing to do at {COUNT}, lockstep upgrade: {spread(ours, 'ms', 1)}")
if theirs:
    print(f"nothing to do at {COUNT}, dbmate migrate:   {spread(theirs, 'ms', 1)}")
    print(f"ratio {statistics.median(ours) / statistics.median(theirs):.2f} (bar 1.5)")
else:
    print("dbmate is not installed; bar 60 ms")
