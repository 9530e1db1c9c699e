"""Two definitions of a view are compared on 6,000,000 rows, against one plain sequential aggregate over each side."""

import pathlib
import re
import statistics
import subprocess
import tempfile

from figures import spread
from harness import BINARIES, Suite

ROWS = 6_000_000
COLUMNS = "s.id, s.shop, s.sold_at, s.price, s.paid"
# What touches the same columns of every row, in one process, as a report would.
PLAIN = ("SELECT count(*), sum(v.id), max(v.shop), max(v.sold_at), sum(v.price), bool_or(v.paid) FROM ({query}) AS v")


def write(root, revision, more, files):
    folder = pathlib.Path(root) / "catalog" / f"{revision}_bench"
    folder.mkdir(parents=True)
    (folder / "revision.textproto").write_text(
        f'id: "{revision}"\ntitle: "bench {revision}"\nservice: "catalog"\ncreated: "2026-01-01"\nphase: PHASE_MIGRATE\n{more}')
    for name, text in {"verify.sql": "SELECT 1 WHERE false;\n", **files}.items():
        (folder / name).write_text(text)


def view(table):
    return f"CREATE OR REPLACE VIEW core.v AS SELECT {COLUMNS} FROM core.{table} AS s WHERE s.price >= 0;\n"


def plain_seconds(suite, table):
    query = PLAIN.format(query=f"SELECT {COLUMNS} FROM core.{table} AS s WHERE s.price >= 0")
    explained = suite.sql(f"SET max_parallel_workers_per_gather = 0; EXPLAIN (ANALYZE, TIMING OFF) {query}")
    return float(re.search(r"Execution Time: ([\d.]+) ms", explained).group(1)) / 1000


with Suite() as suite, tempfile.TemporaryDirectory() as root:
    suite.bootstrap()
    table = "(id bigint, shop text NOT NULL, sold_at timestamptz NOT NULL, price numeric(10,2) NOT NULL, paid boolean)"
    write(root, "aaaa00000001", "", {
        "up.sql": f"CREATE TABLE core.a {table};\nCREATE TABLE core.b {table};\n" + view("a").replace("OR REPLACE ", ""),
        "down.sql": "DROP VIEW core.v; DROP TABLE core.a, core.b;\n"})
    (pathlib.Path(root) / "releases.textproto").write_text("")
    direct = ["--direct", suite.url("lockstep_migrator"), "--admin-url", suite.url(), "--migrations", root]

    def lockstep(*arguments):
        return subprocess.run([BINARIES / "lockstep", *arguments, *direct], check=True, capture_output=True, text=True).stdout

    lockstep("upgrade")
    for name in ("a", "b"):
        suite.sql(f"INSERT INTO core.{name} SELECT n, 'shop ' || n % 50, '2025-01-01'::timestamptz + n * interval '1 s',"
                  f" (n % 997) / 7.0, n % 3 = 0 FROM generate_series(1, {ROWS}) AS n; VACUUM ANALYZE core.{name};")
    write(root, "aaaa00000002", 'down_revision: "aaaa00000001"\nsteps { name: "v" kind: STEP_KIND_VIEW_REWRITE '
          "limits { statement_timeout_ms: 600000 } }\n", {"01_v.up.sql": view("b"), "01_v.down.sql": view("a")})
    compared, plain = [], []
    for _ in range(5):
        plain.append(plain_seconds(suite, "a") + plain_seconds(suite, "b"))
        lockstep("upgrade")
        message = suite.sql("SELECT message FROM migration.run_events WHERE kind = 'view_compared' ORDER BY at DESC LIMIT 1")
        compared.append(sum(int(ms) for ms in re.findall(r"(\d+) ms", message)) / 1000)
        lockstep("downgrade", "aaaa00000001")
    print(f"two definitions over {ROWS} rows compared:  {spread(compared, 's', 2)}")
    print(f"one plain sequential aggregate over each: {spread(plain, 's', 2)}")
    print(f"ratio {statistics.median(compared) / statistics.median(plain):.2f} (bar 1.5)")
