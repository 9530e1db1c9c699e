"""What the tests of planted violations share: the statements on disk, prepared databases, and one transaction per plant.

A plant is SQL that breaks one promise. It runs as the administrator with triggers and foreign keys asleep, in a
transaction that is rolled back; the statement that has to notice it runs in the same transaction the way the engine
runs it: under the owner's role, with the engine's search path.
"""

import dataclasses

from harness import MIGRATIONS, Suite, cluster_url, psql

SCRIPT, ANSWER = ">> ", "== "
# The ids of planted rows.
A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
C = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"


def platform(slug):
    return f"(SELECT id FROM core.platforms WHERE slug = '{slug}')"


def an_order(**values):
    """An order with nothing but what it must have and `values` (SQL); not in the legacy map."""
    values = {"inventory_item_id": f"'{C}'", "status": "'completed'", "platform_id": platform("stockx"), **values}
    return f"INSERT INTO transactions.orders ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def an_item(**values):
    """An item without the fields that later revisions added, but for `values` (SQL)."""
    values = {"product_id": f"'{C}'", "size_id": f"'{C}'", "vat_rate": "NULL", **values}
    return f"INSERT INTO products.inventory ({', '.join(values)}) VALUES ({', '.join(values.values())});"


@dataclasses.dataclass(frozen=True)
class Statement:
    service: str
    revision: str
    number: int  # from 1, in its file
    line: int  # where it begins in its file; the engine calls checks by it
    sql: str

    @property
    def key(self):
        return f"{self.revision}/{self.number}"


def statements(file_name):
    """The statements of every `file_name` (verify.sql, guard.sql) on disk by their key, in a file's order.

    A statement ends with the semicolon that ends a line: simple, and compared by the tests with what the engine's
    parser found.
    """
    found = {}
    for path in sorted(MIGRATIONS.glob(f"*/*/{file_name}")):
        service, revision = path.parent.parent.name, path.parent.name.split("_")[0]
        number, first, lines = 0, None, []
        for at, line in enumerate(path.read_text().splitlines(), start=1):
            if not lines and (not line.strip() or line.startswith("--")):
                continue
            first = first or at
            lines.append(line)
            if line.endswith(";"):
                number += 1
                statement = Statement(service, revision, number, first, "\n".join(lines)[:-1])
                found[statement.key] = statement
                first, lines = None, []
        assert not lines, f"{path} ends inside a statement"
    return found


def ask(statement, columns):
    """SQL that prints the answer of `statement` as the engine would get it, and leaves the owner's role again."""
    return (f"SET LOCAL ROLE {statement.service}_owner;\n\\echo {ANSWER}{statement.key}\n"
            f"SELECT {columns} FROM (\n{statement.sql}\n) AS found;\nRESET ROLE;\n")


def rolled_back(suite, scripts):
    """Runs each of `scripts` (label: list of SQL) in a transaction that is rolled back, all in one session.

    Returns label: answers, the answers by key, each a sorted list of rows `a|b`. An error of any script is the test's.
    """
    settings = ("BEGIN;\nSET LOCAL session_replication_role = replica;\nSET LOCAL search_path = pg_catalog, pg_temp;\n"
                "SET LOCAL TimeZone = 'UTC';\n")
    printed = psql(suite.url(), "".join(f"\\echo {SCRIPT}{label}\n{settings}" + "\n".join(parts) + "\nROLLBACK;\n"
                                        for label, parts in scripts.items()))
    results, answers, rows = {}, None, None
    for line in printed.splitlines():
        if line.startswith(SCRIPT):
            answers = results.setdefault(line.removeprefix(SCRIPT), {})
        elif line.startswith(ANSWER):
            rows = answers.setdefault(line.removeprefix(ANSWER), [])
        elif line:
            rows.append(line)
    return {label: {key: sorted(rows) for key, rows in answers.items()} for label, answers in results.items()}


def at(case, release, history=False):
    """A database at `release` for a test or a test class; with the historical data, which belongs to v2.2.1 and later."""
    suite = Suite().__enter__()
    (case.addClassCleanup if isinstance(case, type) else case.addCleanup)(suite.__exit__, None, None, None)
    suite.bootstrap()
    if history:
        suite.lockstep("upgrade", "v2.2.1", direct=True)
        suite.load_history()
    if release != "v2.2.1" or not history:
        suite.lockstep("upgrade", release, direct=True)
    return suite


def clone(case, of):
    """A copy of a database for one test."""
    suite = Suite()
    psql(cluster_url(), f"CREATE DATABASE {suite.name} TEMPLATE {of.name}")
    case.addCleanup(suite.__exit__, None, None, None)
    # Rights on the database itself do not come along with a copy.
    suite.bootstrap()
    return suite


def fingerprint(suite, with_ledger=False):
    """Every row of every service's tables by column, as a count and a hash per table; with_ledger: which steps are applied, too."""
    return suite.sql(rf"""
        SELECT format('SELECT %L, count(*), coalesce(md5(string_agg(to_jsonb(t)::text, chr(10) ORDER BY to_jsonb(t)::text)), %L) FROM %I.%I AS t',
                      schemaname || '.' || tablename, '', schemaname, tablename)
        FROM pg_tables
        WHERE schemaname IN ('core', 'products', 'transactions', 'finance', 'analytics', 'auth')
            OR ({with_ledger} AND schemaname = 'migration' AND tablename LIKE 'applied_%')
        ORDER BY schemaname, tablename
        \gexec
    """).splitlines()
