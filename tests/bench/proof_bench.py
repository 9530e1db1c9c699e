"""What is known before a change runs, and after: rate of the linter, rehearsal of the whole project, drift of 1,000 tables."""

import pathlib
import subprocess
import tempfile
import time

from figures import spread
from harness import BINARIES, Suite

STATEMENTS = 50_000
TABLES = 1_000
# One statement of every sixth has something to say about it.
KINDS = [
    "CREATE TABLE core.t{n} (id bigint PRIMARY KEY, name text NOT NULL, made timestamptz NOT NULL DEFAULT now());",
    "CREATE INDEX t{n}_name_idx ON core.t{n} (name);",
    "ALTER TABLE core.t{n} ADD COLUMN note text, ADD CONSTRAINT t{n}_note_check CHECK (note <> '');",
    "INSERT INTO core.t{n} (id, name) VALUES (1, 'a'), (2, 'b');",
    "GRANT SELECT ON core.t{n} TO reader;",
    "ALTER TABLE core.old ADD CONSTRAINT old_{n}_check CHECK (a > {n});",
]


def timed(command, code=0):
    start = time.monotonic()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return time.monotonic() - start


with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "all.sql"
    file.write_text("\n".join(KINDS[n % len(KINDS)].format(n=n // len(KINDS)) for n in range(STATEMENTS)))
    rates = [STATEMENTS / timed([BINARIES / "lockstep", "lint", file, "--format", "json", "--fail-on", "never"])
             for _ in range(7)]
    print(f"lint of {STATEMENTS} statements in one file: {spread(rates, 'statements/s', 0)} (bar 10,000)")

with Suite() as suite:
    suite.bootstrap()
    direct = ["--direct", suite.url("lockstep_migrator"), "--admin-url", suite.url()]
    took = [timed([BINARIES / "lockstep", "rehearse", *direct]) for _ in range(3)]
    print(f"rehearsal of every revision of the project: {spread(took, 's', 1)} (bar 30 s)")
    subprocess.run([BINARIES / "lockstep", "upgrade", *direct], check=True, capture_output=True)
    tables = "; ".join(f"CREATE TABLE core.bench_{n} (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'x',"
                       f" parent_id bigint REFERENCES core.platforms_{n % 7} (id), CHECK (name <> ''))"
                       for n in range(TABLES)).replace("core.platforms_", "core.bench_parent_")
    suite.sql("; ".join(f"CREATE TABLE core.bench_parent_{n} (id bigint PRIMARY KEY)" for n in range(7)))
    suite.sql(tables)
    # The expectation comes with the first look; the live side has 1,007 tables more than that.
    timed([BINARIES / "lockstep", "drift", *direct, "--json"], code=3)
    took = [timed([BINARIES / "lockstep", "drift", *direct, "--json"], code=3) for _ in range(7)]
    print(f"drift with {TABLES} tables more, expectation cached: {spread(took, 's', 2)} (bar 2 s)")
