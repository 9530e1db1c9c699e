"""Databases that other tools migrated go on with the ledger: `lockstep stamp --from-tool`."""

import json
import unittest

from harness import psql
from histories import ALL
from import_test import ImportCase, schema_of

VERSIONS = {
    "golang-migrate": "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);"
                      "INSERT INTO schema_migrations VALUES (3, false);",
    "goose": "CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL,"
             " tstamp timestamp DEFAULT now());"
             "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (20240101000000, true),"
             " (20240102000000, true), (20240103000000, true), (20240103000000, false);",
    "dbmate": "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);"
              "INSERT INTO schema_migrations VALUES ('20240101'), ('20240102');",
    "diesel": "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp DEFAULT now());"
              "INSERT INTO __diesel_schema_migrations VALUES ('00000000000000'), ('20190226002946');",
    "flyway": "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200),"
              " type varchar(20), script varchar(1000), checksum int, success boolean NOT NULL);"
              "INSERT INTO flyway_schema_history VALUES (1, '1', 'base', 'SQL', 'V1__base.sql', 1, true),"
              " (2, '1.1', 'b', 'SQL', 'more/V1_1__b.sql', 1, true), (3, '10', 'c', 'SQL', 'V10__c.sql', 1, true),"
              " (4, '10', 'c', 'UNDO_SQL', 'U10__c.sql', 1, true);",
    "sqitch": "CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text NOT NULL,"
              " project text NOT NULL, committed_at timestamptz NOT NULL);"
              "INSERT INTO sqitch.changes VALUES ('a', 'appschema', 'flips', '2024-01-01'), ('b', 'users', 'flips', '2024-01-02');",
    "alembic-sql": "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
                   "INSERT INTO alembic_version VALUES ('1975ea83b712');",
}
# How many migrations of each history those are.
APPLIED = {"golang-migrate": 3, "goose": 2, "dbmate": 2, "diesel": 2, "flyway": 2, "sqitch": 2, "alembic-sql": 1}


class Adoptions(ImportCase):
    def migrated(self, history):
        """The database as the tool left it, and the history imported."""
        self.run_import(history)
        for script in history.scripts[:APPLIED[history.format]]:
            psql(self.suite.url(), script)
        psql(self.suite.url(), VERSIONS[history.format])

    def stamp(self, history, *more, code=0):
        # The role of the ledger comes into being on the way.
        done = self.suite.lockstep("--direct", self.suite.url(), "stamp", "--from-tool", history.format, "--service", "orders",
                                   "--json", *more, check=False, env=self.env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_every_tool(self):
        for history in ALL:
            if history.format not in VERSIONS:
                continue
            with self.subTest(history.format):
                self.setUp()
                self.migrated(history)
                refused = json.loads(self.stamp(history, code=5).stdout)
                self.assertEqual(refused["applied"], APPLIED[history.format])
                self.assertEqual(refused["differences"], [])
                self.assertTrue(refused["foreign"])
                self.assertFalse(refused["was_stamped"])
                adopted = json.loads(self.stamp(history, "--transfer-ownership").stdout)
                self.assertTrue(adopted["was_transferred"] and adopted["was_stamped"])
                again = json.loads(self.stamp(history).stdout)
                self.assertEqual(again["foreign"], [])
                # From here on the ledger is the one that knows.
                self.lockstep("upgrade")
                with_table = schema_of(self.suite.url())
                for line in self.reference(history.scripts).splitlines():
                    self.assertIn(line, with_table)
                if not history.irreversible:
                    self.lockstep("downgrade", "base")

    def test_refuses_another_schema(self):
        history = ALL[0]
        self.migrated(history)
        self.suite.sql("ALTER TABLE users DROP COLUMN mail; CREATE TABLE stray (i int)")
        told = json.loads(self.stamp(history, "--transfer-ownership", code=3).stdout)
        names = {difference["name"] for difference in told["differences"]}
        self.assertTrue({"public.users.mail", "public.stray"} <= names, names)
        self.assertFalse(told["was_stamped"])
        accepted = json.loads(self.stamp(history, "--transfer-ownership", "--accept-differences").stdout)
        self.assertTrue(accepted["was_stamped"])

    def test_refuses_what_the_tool_left_in_disorder(self):
        history = ALL[0]
        self.migrated(history)

        def refused(sql):
            self.suite.sql(sql)
            return json.loads(self.stamp(history, code=1).stdout)["error"]["reason"]

        self.assertEqual(refused("UPDATE schema_migrations SET dirty = true"), "TOOL_LEDGER_DIRTY")
        self.assertEqual(refused("UPDATE schema_migrations SET dirty = false, version = 77"), "TOOL_LEDGER_UNKNOWN_VERSION")
        self.assertEqual(refused("DELETE FROM schema_migrations"), "TOOL_LEDGER_EMPTY")
        self.assertEqual(refused("DROP TABLE schema_migrations"), "TOOL_LEDGER_MISSING")

    def test_refuses_holes(self):
        history = next(history for history in ALL if history.format == "diesel")
        self.migrated(history)
        self.suite.sql("DELETE FROM __diesel_schema_migrations WHERE version = '00000000000000'")
        refused = json.loads(self.stamp(history, code=1).stdout)["error"]
        self.assertEqual(refused["reason"], "TOOL_LEDGER_HOLES")
        self.assertIn("diesel_orders_00000000000000", refused["message"])


if __name__ == "__main__":
    unittest.main()
