"""Online changes: the rate of a backfill against raw updates by key range, what it does to foreground reads and writes, and
readers beside a step that waits for a lock. Foreground load is an open loop: a call that is late counts from when it was
due."""

import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import psycopg2

from figures import spread
from harness import BINARIES, Suite

ROWS = 2_000_000
RAW_BATCH = 20_000
FOREGROUND_ROWS = 500_000
ROUNDS = 5


def write_definitions(root, backfill=""):
    root = pathlib.Path(root)
    base = root / "catalog" / "aaaa_table"
    fill = root / "catalog" / "bbbb_fill"
    base.mkdir(parents=True)
    fill.mkdir()
    (root / "releases.textproto").write_text("")
    (base / "revision.textproto").write_text(
        'id: "aaaa"\ntitle: "table"\nservice: "catalog"\ncreated: "2026-01-01"\nphase: PHASE_EXPAND\n')
    (base / "up.sql").write_text("CREATE TABLE core.big (id bigint PRIMARY KEY, raw text NOT NULL, hits int NOT NULL);\n")
    (base / "down.sql").write_text("DROP TABLE core.big;\n")
    (base / "verify.sql").write_text("SELECT 1 WHERE false;\n")
    (fill / "revision.textproto").write_text(
        'id: "bbbb"\ntitle: "fill"\nservice: "catalog"\ndown_revision: "aaaa"\ncreated: "2026-01-01"\n'
        'phase: PHASE_MIGRATE\nsteps { name: "add" }\nsteps { name: "fill" kind: STEP_KIND_BACKFILL backfill {\n'
        '  table: "core.big" key: "id" set { column: "folded" expression: "lower(raw)" }\n'
        f'  trigger: "big_folded_sync" {backfill} }} }}\n')
    (fill / "01_add.up.sql").write_text("ALTER TABLE core.big ADD COLUMN folded text;\n")
    (fill / "01_add.down.sql").write_text("ALTER TABLE core.big DROP COLUMN folded;\n")
    (fill / "verify.sql").write_text("SELECT 1 WHERE false;\n")


def lockstep(suite, folder, *args):
    command = [BINARIES / "lockstep", *args, "--direct", suite.url("lockstep_migrator"), "--migrations", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=suite.env())


def prepare(suite, folder, rows):
    suite.bootstrap()
    lockstep(suite, folder, "upgrade", "aaaa")
    suite.sql(f"INSERT INTO core.big SELECT n, 'Row Number ' || n, 0 FROM generate_series(1, {rows}) AS n")
    suite.sql("VACUUM (ANALYZE) core.big")


def raw_rate(folder):
    """The same statement by key range on one connection, one transaction a range, nothing else."""
    with Suite() as suite:
        prepare(suite, folder, ROWS)
        suite.sql("ALTER TABLE core.big ADD COLUMN folded text")
        with psycopg2.connect(suite.url()) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            start = time.monotonic()
            for low in range(1, ROWS + 1, RAW_BATCH):
                cursor.execute("UPDATE core.big SET folded = (lower(raw)) WHERE id >= %s AND id <= %s",
                               (low, low + RAW_BATCH - 1))
            return ROWS / (time.monotonic() - start)


def backfill_rate(folder):
    """Rows a second of the batches alone: verification and statistics come after them, and raw updates have neither."""
    with Suite() as suite:
        prepare(suite, folder, ROWS)
        lockstep(suite, folder, "upgrade")
        return ROWS / float(suite.sql(
            "SELECT extract(epoch FROM max(at) FILTER (WHERE kind = 'backfill_progress')"
            " - max(at) FILTER (WHERE kind = 'backfill_started')) FROM migration.run_events").strip())


class Load:
    """`rate` point reads and writes a second on each of `threads` connections, latencies in ms."""

    def __init__(self, suite, rate, threads, writes):
        self.suite, self.rate, self.writes = suite, rate / threads, writes
        self.latencies, self.failures = [], []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, number):
        connection = psycopg2.connect(self.suite.url())
        connection.autocommit = True
        cursor = connection.cursor()
        due = time.monotonic()
        turn = number * 7919
        while not self.stopping.is_set():
            turn = (turn * 48271 + 11) % FOREGROUND_ROWS
            try:
                if self.writes and turn % 4 == 0:
                    cursor.execute("UPDATE core.big SET hits = hits + 1 WHERE id = %s", (turn + 1,))
                else:
                    cursor.execute("SELECT raw FROM core.big WHERE id = %s", (turn + 1,))
            except psycopg2.Error as error:
                self.failures.append(str(error))
            self.latencies.append((time.monotonic() - due) * 1000)
            due += 1 / self.rate
            pause = due - time.monotonic()
            if pause > 0:
                time.sleep(pause)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def foreground(folder):
    """p99 of a fixed load, alone for 8 s and then while the backfill runs."""
    with Suite() as suite:
        prepare(suite, folder, FOREGROUND_ROWS)
        with Load(suite, 200, 4, writes=True) as alone:
            time.sleep(8)
        with Load(suite, 200, 4, writes=True) as beside:
            lockstep(suite, folder, "upgrade")
        assert not alone.failures and not beside.failures, (alone.failures, beside.failures)
        return percentile(alone.latencies, 0.99), percentile(beside.latencies, 0.99)


def readers_beside_a_waiting_step(folder, hold_seconds):
    """A reader holds the table; 200 point reads a second go on while ALTER TABLE wants it."""
    with Suite() as suite:
        prepare(suite, folder, FOREGROUND_ROWS)
        holder = psycopg2.connect(suite.url())
        holder.cursor().execute("SELECT count(*) FROM core.big WHERE id < 10")
        with Load(suite, 200, 4, writes=False) as load:
            run = subprocess.Popen(
                [BINARIES / "lockstep", "upgrade", "--direct", suite.url("lockstep_migrator"), "--migrations", folder],
                env=suite.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(hold_seconds)
            waited = run.poll() is None
            holder.rollback()
            _, errors = run.communicate(timeout=120)
        assert waited, "the step did not wait for the reader: " + errors
        assert run.returncode == 0, errors
        return load


with tempfile.TemporaryDirectory() as folder:
    write_definitions(folder)
    raw, ours = [], []
    for _ in range(3):
        raw.append(raw_rate(folder))
        ours.append(backfill_rate(folder))
print(f"{ROWS} rows, raw updates by key range: {spread(raw, 'rows/s', 0)}")
print(f"{ROWS} rows, backfill:                 {spread(ours, 'rows/s', 0)}")
print(f"ratio {statistics.median(ours) / statistics.median(raw):.2f} (bar 0.7)")

with tempfile.TemporaryDirectory() as folder:
    write_definitions(folder, "batch { max_rows: 500 pause_ms: 20 }")
    pairs = [foreground(folder) for _ in range(ROUNDS)]
print(f"foreground p99 alone:               {spread([alone for alone, _ in pairs], 'ms', 2)}")
print(f"foreground p99 beside the backfill: {spread([beside for _, beside in pairs], 'ms', 2)}")
print(f"ratio {statistics.median(beside / alone for alone, beside in pairs):.2f} (bar 1.5)")

with tempfile.TemporaryDirectory() as folder:
    write_definitions(folder)
    load = readers_beside_a_waiting_step(folder, 60)
print(f"reads beside a step that waits 60 s: p99 {percentile(load.latencies, 0.99):.2f} ms, slowest "
      f"{max(load.latencies):.1f} ms, {len(load.failures)} failed of {len(load.latencies)} (bars: p99 10 ms, slowest "
      "lock_timeout + 50 ms = 2050 ms, none failed)")
