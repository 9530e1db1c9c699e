"""One small history of each tool, with the odd things that real ones have."""

import dataclasses


@dataclasses.dataclass
class History:
    format: str
    files: dict  # name -> text
    scripts: list  # the same SQL for psql, in the tool's order
    rows: tuple = ()  # (query, what it returns after the upgrade)
    irreversible: int = 0  # index of the revision that cannot be undone; 0 = all can
    options: tuple = ()


def _golang_migrate():
    users = "BEGIN;\r\nCREATE TABLE users (\r\n  id serial PRIMARY KEY, -- a ';' here\r\n  mail text NOT NULL\r\n);\r\nCOMMIT;\r\n"
    copy = ("\\restrict abc\nSET search_path = public;\nCREATE TYPE mood AS ENUM ('ok', 'sad');\n"
            "CREATE TABLE people (name text, mood mood);\nCOPY people (name, mood) FROM stdin;\n"
            "O'Brien; $$\tok\n\\N\tsad\n\\.\n\nCREATE INDEX people_name ON people (name);\n\\unrestrict abc\n")
    index = ("CREATE INDEX CONCURRENTLY IF NOT EXISTS users_mail ON users (lower(mail));\n"
             "CREATE UNIQUE INDEX CONCURRENTLY users_mail_key ON public.users (mail);\n")
    value = "ALTER TYPE mood ADD VALUE 'calm';\nUPDATE people SET mood = 'calm' WHERE name IS NULL;\n"
    nested = ("/* a /* nested; */ comment; */\nCREATE FUNCTION twice(i int) RETURNS int AS $body$\nBEGIN\n  RETURN i * 2; -- ;\n"
              "END $body$ LANGUAGE plpgsql;\nDO $$ BEGIN ALTER TABLE users ADD twice int DEFAULT twice(1); END $$;\n")
    return History("golang-migrate", {
        "1_create users.up.sql": users, "1_create users.down.sql": "DROP TABLE users;",
        "2_people & moods.up.sql": copy, "2_people & moods.down.sql": "DROP TABLE people;\nDROP TYPE mood;\n",
        "3_indexes.up.sql": index,
        "3_indexes.down.sql": "DROP INDEX CONCURRENTLY users_mail;\nDROP INDEX users_mail_key;\n",
        "9_value.up.sql": value,
        "9_value.down.sql": "ALTER TABLE people ALTER mood TYPE text; DROP TYPE mood; UPDATE people SET mood = 'sad' WHERE mood "
                            "= 'calm'; CREATE TYPE mood AS ENUM ('ok', 'sad'); ALTER TABLE people ALTER mood TYPE mood USING "
                            "mood::mood;",
        "10_twice.up.sql": nested, "10_twice.down.sql": "ALTER TABLE users DROP twice; DROP FUNCTION twice;",
        "README.md": "",
    }, [users, copy, index, value, nested], ("SELECT string_agg(concat(name, '/', mood), ' ' ORDER BY name) FROM people",
                                              "O'Brien; $$/ok /calm"))


def _goose():
    up = "CREATE EXTENSION IF NOT EXISTS citext;\nCREATE TABLE tags (name citext PRIMARY KEY);\n"
    function = "CREATE FUNCTION hello() RETURNS text AS $$ BEGIN; RETURN 'a;b'; END $$ LANGUAGE plpgsql;\n".replace("BEGIN;", "BEGIN")
    alone = "CREATE INDEX CONCURRENTLY tags_hash ON tags USING hash (name);\n"
    return History("goose", {
        "20240101000000_tags.sql": f"\ufeff-- +goose Up\n{up}-- +goose Down\nDROP TABLE tags; DROP EXTENSION citext;\n",
        "20240102000000_hello.sql": f"-- +goose Up\n-- +goose StatementBegin\n{function}-- +goose StatementEnd\n\n"
                                    "-- +goose Down\nDROP FUNCTION hello();\n",
        "20240103000000_alone.sql": f"-- +goose NO TRANSACTION\n-- +goose Up\n{alone}-- +goose Down\nDROP INDEX tags_hash;\n",
    }, [up, function, alone])


def _dbmate():
    first = "CREATE SCHEMA shop;\nCREATE TABLE shop.items (id int PRIMARY KEY, note text DEFAULT 'a;b');\n"
    second = "INSERT INTO shop.items VALUES (1), (2);\nALTER TABLE shop.items ADD n int;\nUPDATE shop.items SET n = id;\n"
    third = "CREATE VIEW shop.many AS SELECT count(*) FROM shop.items;\n"
    return History("dbmate", {
        "20240101_shop.sql": f"-- migrate:up\n{first}\n-- migrate:down\nDROP SCHEMA shop CASCADE;\n",
        "20240102_rows.sql": f"-- migrate:up transaction:false\n{second}\n-- migrate:down\n-- there is no way back\n",
        "20240103_view.sql": f"-- migrate:up\n{third}\n-- migrate:down\nDROP VIEW shop.many;\n",
    }, [first, second, third], ("SELECT sum(n) FROM shop.items", "3"), irreversible=2)


def _diesel():
    setup = ("CREATE FUNCTION set_updated() RETURNS trigger AS $$\nBEGIN\n  NEW.updated := now();\n  RETURN NEW;\nEND;\n"
             "$$ LANGUAGE plpgsql;\n")
    table = ("CREATE TABLE posts (id serial PRIMARY KEY, updated timestamptz, CONSTRAINT positive CHECK (id > 0));\n"
             "CREATE TRIGGER touch BEFORE UPDATE ON posts FOR EACH ROW EXECUTE PROCEDURE set_updated();\n")
    return History("diesel", {
        "00000000000000_setup/up.sql": setup, "00000000000000_setup/down.sql": "DROP FUNCTION set_updated();",
        "2019-02-26-002946_create_posts/up.sql": table, "2019-02-26-002946_create_posts/down.sql": "DROP TABLE posts;",
        "2019-02-27-000000_index/up.sql": "CREATE INDEX CONCURRENTLY posts_updated ON posts (updated);",
        "2019-02-27-000000_index/down.sql": "DROP INDEX CONCURRENTLY posts_updated;",
        "2019-02-27-000000_index/metadata.toml": "run_in_transaction = false\n",
    }, [setup, table, "CREATE INDEX CONCURRENTLY posts_updated ON posts (updated);"])


def _flyway():
    return History("flyway", {
        "V1__base.sql": "CREATE TABLE ${prefix}_a (i int);\n", "U1__base.sql": "DROP TABLE ${prefix}_a;\n",
        "more/V1_1__b.sql": "CREATE TABLE b (i int);\n", "more/U1.1__b.sql": "DROP TABLE b;\n",
        "V10__c.sql": "ALTER TABLE b ADD c int;\n", "V10__c.sql.conf": "executeInTransaction=false\n",
        "U10__c.sql": "ALTER TABLE b DROP c;\n",
        "R__all.sql": "CREATE OR REPLACE VIEW everything AS SELECT i FROM b;\n",
    }, ["CREATE TABLE x_a (i int);", "CREATE TABLE b (i int);", "ALTER TABLE b ADD c int;",
        "CREATE OR REPLACE VIEW everything AS SELECT i FROM b;"], irreversible=4, options=("--placeholder", "prefix=x"))


def _sqitch():
    plan = ("%syntax-version=1.0.0\n%project=flips\n\nappschema 2024-01-01T00:00:00Z A <a@x> # first\n"
            "users [appschema] 2024-01-02T00:00:00Z A <a@x>\n@v1.0 2024-01-02T00:00:00Z A <a@x> # tagged\n\n"
            "lists [users] 2024-01-03T00:00:00Z A <a@x>\n")
    schema = "BEGIN;\nCREATE SCHEMA flips;\nCOMMIT;\n"
    users = "BEGIN;\nSET client_min_messages = 'warning';\nCREATE TABLE flips.users (name text PRIMARY KEY);\nCOMMIT;\n"
    lists = "CREATE TABLE flips.lists (owner text REFERENCES flips.users);\nINSERT INTO flips.users VALUES (:'first');\n"
    return History("sqitch", {
        "sqitch.plan": plan, "sqitch.conf": "[core]\nengine = pg\n",
        "deploy/appschema.sql": schema, "revert/appschema.sql": "BEGIN;\nDROP SCHEMA flips;\nCOMMIT;\n",
        "deploy/users.sql": users, "revert/users.sql": "BEGIN;\nDROP TABLE flips.users;\nCOMMIT;\n",
        "deploy/lists.sql": "\\set ON_ERROR_STOP 1\n" + lists, "revert/lists.sql": "DROP TABLE flips.lists;\nTRUNCATE flips.users;\n",
        "verify/users.sql": "SELECT name FROM flips.users WHERE false;\n",
    }, [schema, users, lists.replace(":'first'", "'Ann'")], ("SELECT name FROM flips.users", "Ann"),
        options=("--placeholder", "first=Ann"))


def _alembic():
    table = "CREATE TABLE account (\n    id SERIAL NOT NULL, \n    name VARCHAR(50) NOT NULL, \n    PRIMARY KEY (id)\n);\n"
    column = "ALTER TABLE account ADD COLUMN seen TIMESTAMP WITHOUT TIME ZONE;\n"
    up = ("BEGIN;\n\nCREATE TABLE alembic_version (\n    version_num VARCHAR(32) NOT NULL, \n"
          "    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n);\n\n-- Running upgrade  -> 1975ea83b712\n\n" + table +
          "\nINSERT INTO alembic_version (version_num) VALUES ('1975ea83b712') RETURNING alembic_version.version_num;\n\n"
          "-- Running upgrade 1975ea83b712 -> ae1027a6acf\n\n" + column +
          "\nUPDATE alembic_version SET version_num='ae1027a6acf' WHERE alembic_version.version_num = '1975ea83b712';\n\nCOMMIT;\n")
    down = ("BEGIN;\n\n-- Running downgrade ae1027a6acf -> 1975ea83b712\n\nALTER TABLE account DROP COLUMN seen;\n\n"
            "UPDATE alembic_version SET version_num='1975ea83b712' WHERE alembic_version.version_num = 'ae1027a6acf';\n\n"
            "-- Running downgrade 1975ea83b712 -> \n\nDROP TABLE account;\n\nDELETE FROM alembic_version WHERE "
            "alembic_version.version_num = '1975ea83b712';\n\nDROP TABLE alembic_version;\n\nCOMMIT;\n")
    return History("alembic-sql", {"upgrade.sql": up, "downgrade.sql": down}, [table, column])


def _sourcegraph():
    first = "CREATE TABLE IF NOT EXISTS repo (id int PRIMARY KEY, name text);\n"
    extension = "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n"
    index = "CREATE INDEX CONCURRENTLY IF NOT EXISTS repo_name ON repo USING gin (name gin_trgm_ops);\n"
    merge = "COMMENT ON TABLE repo IS 'repositories';\n"
    return History("sourcegraph", {
        "1000_first/up.sql": first, "1000_first/down.sql": "DROP TABLE IF EXISTS repo;",
        "1000_first/metadata.yaml": "name: first\nparents: []\n",
        "999/up.sql": extension, "999/down.sql": "DROP EXTENSION IF EXISTS pg_trgm;",
        "999/metadata.yaml": "name: trigrams\nparents: [1000]\nprivileged: true\nnonIdempotent: false\n",
        "1001/up.sql": index, "1001/down.sql": "DROP INDEX IF EXISTS repo_name;",
        "1001/metadata.yaml": "name: index\nparents: [999]\ncreateIndexConcurrently: true\n",
        "1002/up.sql": merge, "1002/down.sql": "COMMENT ON TABLE repo IS NULL;",
        "1002/metadata.yaml": "name: merge\nparents:\n  - 1001\n  - 1000\n",
    }, [first, extension, index, merge])


ALL = [_golang_migrate(), _goose(), _dbmate(), _diesel(), _flyway(), _sqitch(), _alembic(), _sourcegraph()]
