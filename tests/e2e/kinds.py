"""Definitions with a step of every kind, over two services."""

ROWS = 600

HEAD = """id: "{id}"
title: "{title}"
service: "{service}"
created: "2025-10-01"
phase: PHASE_{phase}
"""
# One transaction; steps in one message and in parts (hidden code, expectations); an index built outside of a transaction;
# batches; a step of an administrator; a view rewrite; a table of another owner; two steps in one transaction; the old shape taken away, and
# archived when it comes back.
REVISIONS = {
    ("catalog", "aaaa", "things", "EXPAND", ""): {
        "up.sql": f"""CREATE TABLE core.things (id bigint PRIMARY KEY, name text NOT NULL, price numeric NOT NULL);
INSERT INTO core.things SELECT n, 'Thing ' || n, n FROM generate_series(1, {ROWS}) AS n;
GRANT USAGE ON SCHEMA core TO catalog_app, orders_owner, orders_app;
GRANT SELECT, INSERT, UPDATE ON core.things TO catalog_app;
GRANT SELECT, REFERENCES ON core.things TO orders_owner;
CREATE VIEW core.priced AS SELECT id, price FROM core.things WHERE price > 0;
CREATE MATERIALIZED VIEW core.priced_total AS SELECT count(*) AS priced FROM core.priced;
""",
        "down.sql": "DROP MATERIALIZED VIEW core.priced_total;\nDROP VIEW core.priced;\nDROP TABLE core.things;\n",
        "verify.sql": "SELECT id FROM core.things WHERE price < 0;\n",
        "guard.sql": "SELECT 'things' AS what, count(*) AS count FROM core.things WHERE false;\n",
    },
    ("catalog", "bbbb", "every kind", "EXPAND", """down_revision: "aaaa"
steps { name: "column" }
steps { name: "hidden" expect_file: "02_hidden.expect.sql" }
steps { name: "index" kind: STEP_KIND_NON_TRANSACTIONAL }
steps {
  name: "fill"
  kind: STEP_KIND_BACKFILL
  backfill {
    table: "core.things"
    key: "id"
    set { column: "folded" expression: "lower(name)" }
    trigger: "things_folded_sync"
    batch { start_rows: 200 min_rows: 200 max_rows: 200 }
  }
}
steps { name: "extension" kind: STEP_KIND_PRIVILEGED }
steps { name: "check" }
destroys { table: "core.things" key: "id" columns: "doubled" }
"""): {
        "01_column.up.sql": "ALTER TABLE core.things ADD COLUMN folded text;\nALTER TABLE core.things ADD COLUMN doubled numeric;\n",
        "01_column.down.sql": "ALTER TABLE core.things DROP COLUMN folded;\nALTER TABLE core.things DROP COLUMN doubled;\n",
        # Twice would be too much.
        "02_hidden.up.sql": "DO $$ BEGIN UPDATE core.things SET doubled = coalesce(doubled, 0) + price * 2; END $$;\n",
        "02_hidden.down.sql": "UPDATE core.things SET doubled = NULL;\n",
        "02_hidden.expect.sql": f"SELECT 'doubled', '{ROWS}', count(doubled)::text FROM core.things;\n",
        "03_index.up.sql": "CREATE INDEX CONCURRENTLY things_price_idx ON core.things (price);\n",
        "03_index.down.sql": "DROP INDEX CONCURRENTLY IF EXISTS core.things_price_idx;\n",
        "05_extension.up.sql": "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA core;\n",
        "05_extension.down.sql": "DROP EXTENSION IF EXISTS citext;\n",
        "06_check.up.sql": "ALTER TABLE core.things ADD CONSTRAINT things_price_check CHECK (price > 0);\n",
        "06_check.down.sql": "ALTER TABLE core.things DROP CONSTRAINT things_price_check;\n",
        "verify.sql": "SELECT id FROM core.things WHERE folded IS DISTINCT FROM lower(name);\n",
        "guard.sql": "SELECT 'none' AS what, 0 AS count WHERE false;\n",
    },
    ("catalog", "gggg", "view over the same rows", "MIGRATE", """down_revision: "bbbb"
steps { name: "priced" kind: STEP_KIND_VIEW_REWRITE }
"""): {
        "01_priced.up.sql": "DROP VIEW core.priced;\n"
                            "CREATE VIEW core.priced AS SELECT t.id, t.price FROM core.things AS t WHERE NOT t.price <= 0;\n",
        "01_priced.down.sql": "DROP VIEW core.priced;\n"
                              "CREATE VIEW core.priced AS SELECT id, price FROM core.things WHERE price > 0;\n",
        "verify.sql": "SELECT id FROM core.priced WHERE price <= 0;\n",
        "guard.sql": "SELECT 'none' AS what, 0 AS count WHERE false;\n",
    },
    ("orders", "cccc", "uses things", "EXPAND", 'depends_on: "bbbb"\nreferences: "core.things"\n'): {
        "up.sql": "CREATE TABLE transactions.uses (id bigint PRIMARY KEY REFERENCES core.things (id));\n"
                  "INSERT INTO transactions.uses SELECT id FROM core.things;\n",
        "down.sql": "DROP TABLE transactions.uses;\n",
        "verify.sql": "SELECT id FROM transactions.uses WHERE id < 1;\n",
        "guard.sql": "SELECT 'uses' AS what, count(*) AS count FROM transactions.uses;\n",
    },
    ("finance", "eeee", "new", "EXPAND", ""): {
        "up.sql": "CREATE TABLE finance.first (id bigint PRIMARY KEY);\n",
        "down.sql": "DROP TABLE finance.first;\n",
        "verify.sql": "SELECT id FROM finance.first WHERE id < 1;\n",
        "guard.sql": "SELECT 'first' AS what, count(*) AS count FROM finance.first;\n",
    },
    ("finance", "ffff", "new as well", "EXPAND", 'down_revision: "eeee"\n'): {
        "up.sql": "CREATE TABLE finance.second (id bigint PRIMARY KEY);\nGRANT SELECT ON finance.second TO finance_app;\n",
        "down.sql": "DROP TABLE finance.second;\n",
        "verify.sql": "SELECT id FROM finance.second WHERE id < 1;\n",
        "guard.sql": "SELECT 'second' AS what, count(*) AS count FROM finance.second;\n",
    },
    ("catalog", "dddd", "without doubled", "CONTRACT", """down_revision: "gggg"
supersedes_verify: "bbbb"
steps { name: "trigger" }
steps { name: "doubled" }
destroys { table: "core.things" key: "id" columns: "doubled" }
"""): {
        "01_trigger.up.sql": "DROP TRIGGER things_folded_sync ON core.things;\nDROP FUNCTION core.things_folded_sync();\n",
        "01_trigger.down.sql": "",
        "02_doubled.up.sql": "ALTER TABLE core.things DROP COLUMN doubled;\n",
        "02_doubled.down.sql": "ALTER TABLE core.things ADD COLUMN doubled numeric;\n"
                               "UPDATE core.things SET doubled = price * 2;\n",
        "verify.sql": "SELECT id FROM core.things WHERE folded IS NULL;\n",
        "guard.sql": "SELECT 'none' AS what, 0 AS count WHERE false;\n",
    },
}
THINGS = "SELECT coalesce(md5(string_agg(to_jsonb(t)::text, ',' ORDER BY id)), '-') FROM core.things t"
AT_HEAD = f"SELECT ({THINGS}) || (SELECT count(*) FROM transactions.uses)"


def write_definitions(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "releases.textproto").write_text("")
    for (service, revision, title, phase, more), files in REVISIONS.items():
        path = folder / service / f"{revision}_x"
        path.mkdir(parents=True)
        text = HEAD.format(id=revision, title=title, service=service, phase=phase) + more
        (path / "revision.textproto").write_text(text)
        for name, sql in files.items():
            (path / name).write_text(sql)
