"""The `lockstep` command on the historical data: upgrade with its checks, refusals, exit codes, scripts, index."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import MIGRATIONS, SOURCE, Suite, cluster_url, psql

FAILED, BLOCKED, HISTORY, USAGE, DRIFT, PENDING, UNREACHABLE = 1, 5, 10, 2, 3, 4, 9
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def catalog_of(url):
    """The schema without comments and the random marks of newer pg_dump."""
    dump = subprocess.check_output(["pg_dump", "-s", "--exclude-schema=migration*", url], text=True)
    return "\n".join(line for line in dump.splitlines() if not line.startswith(("--", "\\")))


def by_name(catalog):
    """The same whatever the order of columns is: one that was dropped and came back stands at the end."""
    def sort_columns(table):
        columns = sorted(line.rstrip(",") for line in table.group(2).splitlines())
        return table.group(1) + "\n".join(columns) + "\n);"

    # Comments stand in the order of the columns, too.
    return "\n\n".join(sorted(re.sub(r"(?ms)^(CREATE TABLE \S+ \(\n)(.*?)\n\);", sort_columns, catalog).split("\n\n")))


class History(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", "v2.2.1", direct=True)
        cls.suite.load_history()
        cls.before = Suite()
        psql(cluster_url(), f"CREATE DATABASE {cls.before.name} TEMPLATE {cls.suite.name}")
        cls.addClassCleanup(cls.before.__exit__, None, None, None)
        cls.upgrade = cls.suite.lockstep("upgrade", "v2.2.2", direct=True)
        cls.newest = Suite()
        psql(cluster_url(), f"CREATE DATABASE {cls.newest.name} TEMPLATE {cls.suite.name}")
        cls.addClassCleanup(cls.newest.__exit__, None, None, None)
        cls.newest.bootstrap()
        cls.newest.lockstep("upgrade", direct=True)

    def clone(self, of):
        suite = Suite()
        psql(cluster_url(), f"CREATE DATABASE {suite.name} TEMPLATE {of.name}")
        self.addCleanup(suite.__exit__, None, None, None)
        # Rights on the database itself do not come along with a copy.
        suite.bootstrap()
        return suite

    def test_the_data_migration_gives_the_recorded_figures(self):
        sql = self.suite.sql
        self.assertEqual(sql("SELECT match_kind, count(*) FROM transactions.legacy_order_map GROUP BY 1 ORDER BY 1"),
                         "duplicate|39\nmigrated|1270")
        self.assertEqual(sql("SELECT count(*), count(DISTINCT inventory_item_id), min(sold_at)::date, max(sold_at)::date "
                             "FROM transactions.orders"), "1309|1309|2020-06-02|2025-07-31")
        self.assertEqual(sql("SELECT DISTINCT status FROM transactions.orders"), "completed")
        self.assertEqual(sql("SELECT sum(o.gross_sale) FROM transactions.orders o JOIN transactions.legacy_order_map m "
                             "ON m.order_id = o.id WHERE m.match_kind = 'duplicate'"), "3810.00")
        self.assertEqual(sql("SELECT count(*), sum(net_profit), round(avg(roi), 2) FROM transactions.orders "
                             "WHERE roi IS NOT NULL"), "39|419.18|15.22")
        for view, rows in (("daily_revenue", "706"), ("monthly_revenue", "54")):
            self.assertEqual(sql(f"SELECT count(*) FROM analytics.{view}"), rows)

    def test_the_upgrade_prints_its_checks(self):
        for check in range(1, 13):
            self.assertRegex(self.upgrade.stderr, rf"\bV{check}\b")

    def test_verify_holds_and_reports_a_planted_violation(self):
        suite = self.clone(self.suite)
        self.assertEqual(suite.lockstep("verify", direct=True).returncode, 0)
        suite.sql("DELETE FROM transactions.legacy_order_map WHERE legacy_transaction_id = "
                  "(SELECT legacy_transaction_id FROM transactions.legacy_order_map LIMIT 1)")
        done = suite.lockstep("verify", direct=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^violated +b1e7309cd542 +verify\.sql:9 .*legacy transaction is not in the map")
        self.assertRegex(done.stdout, r"checks, 1 violated")

    EBAY_ORDER = """INSERT INTO transactions.orders (platform_id, inventory_item_id, external_id, status, sold_at, gross_sale, platform_fee)
                    SELECT p.id, i.id, 'ebay_77', 'completed', now(), 10, 1
                      FROM core.platforms p, (SELECT id FROM products.inventory LIMIT 1) i WHERE p.slug = 'ebay'"""
    # Everything that a refused downgrade must leave as it was.
    FOOTPRINT = """SELECT (SELECT string_agg(revision || ' ' || ordinal, ',' ORDER BY 1) FROM migration.applied_steps),
                          (SELECT string_agg(revision, ',' ORDER BY 1) FROM migration.applied_revisions),
                          (SELECT count(*) || ' ' || md5(string_agg(o::text, ',' ORDER BY id)) FROM transactions.orders o),
                          (SELECT count(*) || ' ' || md5(string_agg(m::text, ',' ORDER BY 1)) FROM transactions.legacy_order_map m)"""

    def test_a_downgrade_that_loses_orders_is_refused_before_it_touches_anything(self):
        suite = self.clone(self.suite)
        suite.sql(self.EBAY_ORDER)
        before = suite.sql(self.FOOTPRINT)
        done = suite.lockstep("downgrade", "v2.2.1", direct=True, check=False)
        self.assertEqual(done.returncode, BLOCKED)
        self.assertIn("GUARD_REFUSED", done.stderr)
        self.assertRegex(done.stderr, r"undoing revision 84bc4d8b03ef \(Multi-platform orders\) would destroy:\n"
                         r"  orders that the shape before cannot hold: other platform than StockX, or no StockX number: 1\n"
                         r"  orders outside the legacy map with external id, fee, shipping, destination or notes: 1\b")
        self.assertEqual(suite.sql(self.FOOTPRINT), before)

    def test_a_refusal_at_the_end_of_a_long_way_down_comes_first(self):
        suite = self.clone(self.suite)
        before = suite.sql(self.FOOTPRINT)
        # Before v2.2.1 there are no sale figures: the 39 orders from before the merge would lose theirs, the merged
        # ones are gone by then and not counted.
        for target, found in (("v2.2.0", "items with delivery date or purchase VAT: 1632"),
                              ("orders@73f2d9ab50c6", "sale time, proceeds, profit or payout: 39")):
            with self.subTest(target=target):
                done = suite.lockstep("downgrade", target, direct=True, check=False)
                self.assertEqual(done.returncode, BLOCKED, done.stderr)
                self.assertIn("GUARD_REFUSED", done.stderr)
                self.assertIn(found, done.stderr)
                self.assertEqual(suite.sql(self.FOOTPRINT), before)

    def test_orders_that_only_the_merge_changed_do_not_stand_in_the_way(self):
        """Their external id comes from the merge, whose undo takes it back before the guard's turn."""
        suite = self.clone(self.before)
        suite.sql("""INSERT INTO transactions.orders (inventory_item_id, stockx_order_number, status)
                     SELECT id, '7700-77', 'completed' FROM products.inventory LIMIT 1""")
        orders = "SELECT md5(string_agg((to_jsonb(o) - 'updated_at')::text, ',' ORDER BY id)) FROM transactions.orders o"
        before = suite.sql(orders)
        suite.lockstep("upgrade", "v2.2.2", direct=True)
        self.assertEqual(suite.sql("SELECT external_id FROM transactions.orders WHERE stockx_order_number = '7700-77'"),
                         "stockx_7700-77")
        suite.lockstep("downgrade", "v2.2.1", direct=True)
        self.assertEqual(suite.sql(orders), before)

    def test_without_later_orders_the_downgrade_restores_what_was(self):
        suite = self.clone(self.suite)
        before = catalog_of(self.before.url())
        orders = "SELECT md5(string_agg((to_jsonb(o) - 'updated_at')::text, ',' ORDER BY id)) FROM transactions.orders o"
        done = suite.lockstep("downgrade", "v2.2.1", direct=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.before.sql(orders), suite.sql(orders))
        self.assertEqual(before, catalog_of(suite.url()))

    def test_what_an_archive_keeps_comes_back(self):
        suite = self.clone(self.suite)
        suite.sql(self.EBAY_ORDER)
        suite.sql("""INSERT INTO transactions.order_events (order_id, kind, reference)
                     SELECT id, 'noted', 'ebay_77' FROM transactions.orders WHERE external_id = 'ebay_77'""")
        order = "SELECT to_jsonb(o) FROM transactions.orders o WHERE external_id = 'ebay_77'"
        event = "SELECT to_jsonb(e) FROM transactions.order_events e WHERE reference = 'ebay_77'"
        before = suite.sql(order), suite.sql(event)
        suite.lockstep("downgrade", "v2.2.1", "--archive", direct=True)
        self.assertEqual(suite.sql("SELECT count(*) FROM transactions.orders"), "39")
        kept = suite.sql("SELECT source, row_count FROM migration.archives WHERE revision = '84bc4d8b03ef' AND kind = 'rows'"
                         " ORDER BY 1")
        self.assertEqual(kept, "transactions.order_events|1\ntransactions.orders|1")

        suite.lockstep("upgrade", direct=True)
        listed = json.loads(suite.lockstep("archives", "--json", direct=True).stdout)["archives"]
        for source in ("transactions.orders", "transactions.order_events"):
            number = next(a["name"].split("/")[1] for a in listed if a["revision"] == "84bc4d8b03ef"
                          and a["kind"] == "rows" and a["source"] == source)
            done = suite.lockstep("archives", "restore", number, direct=True)
            self.assertEqual(done.stdout, f"restored archive {number} of {source}: 1 of 1 rows came back\n")
        self.assertEqual((suite.sql(order), suite.sql(event)), before)
        self.assertEqual(suite.lockstep("verify", direct=True).returncode, 0)

    # Constraint: statements that it has to refuse; then one that it has to let go.
    CHECKED = {
        "listings_inventory_type_check": ["UPDATE products.listings SET inventory_type = 'OTHER'",
                                          "UPDATE products.listings SET inventory_type = 'DFS'"],
        "orders_inventory_type_check": ["UPDATE transactions.orders SET inventory_type = 'OTHER'",
                                        "UPDATE transactions.orders SET inventory_type = 'DFS'"],
        "import_records_status_check": ["INSERT INTO transactions.import_records (batch_id, source_data, status) SELECT"
                                        f" gen_random_uuid(), '{{}}', '{status}'" for status in ("pending", "completed")],
        "revoked_tokens_reason_check": ["INSERT INTO auth.revoked_tokens (token_id, expires_at, reason) SELECT"
                                        f" gen_random_uuid(), now(), repeat('a', {length})" for length in (0, 201, 200)],
    }

    def test_values_outside_their_sets_are_refused(self):
        for constraint, statements in self.CHECKED.items():
            for statement in statements:
                with self.subTest(statement):
                    done = psql(self.suite.url(), f"BEGIN; SET LOCAL session_replication_role = replica; {statement}; ROLLBACK;",
                                check=False)
                    if statement is statements[-1]:
                        self.assertEqual(done.returncode, 0, done.stderr)
                    else:
                        self.assertIn(f'violates check constraint "{constraint}"', done.stderr)

    def documented(self, heading):
        """The query under a heading of docs/running-migrations.md."""
        text = (SOURCE / "docs" / "running-migrations.md").read_text()
        return text.split(f"\n## {heading}\n", 1)[1].split("```sql\n", 1)[1].split("```", 1)[0]

    def test_the_documented_query_lists_the_items_that_both_sources_made(self):
        pairs = [line.split("|") for line in self.newest.sql(self.documented("Items that both sources made")).splitlines()]
        self.assertEqual(len(pairs), 39)
        sales, orders, *items = zip(*pairs)
        self.assertEqual((len(set(sales)), len(set(orders)), len(set().union(*items))), (39, 39, 78))
        # Both are units of the same product.
        listed = ",".join(f"('{of_order}'::uuid, '{of_legacy}'::uuid)" for of_order, of_legacy in zip(*items))
        self.assertEqual(self.suite.sql(f"""SELECT count(*) FROM (VALUES {listed}) AS pair (a, b)
                                            JOIN products.inventory AS a ON a.id = pair.a
                                            JOIN products.inventory AS b ON b.id = pair.b
                                            WHERE a.product_id = b.product_id"""), "39")

    def test_a_paid_order_stops_the_undo_that_would_delete_it_at_the_foreign_key(self):
        suite = self.clone(self.suite)
        suite.sql("INSERT INTO finance.payments (direction, kind, order_id, amount, status) SELECT 'in', 'payout', order_id, 10,"
                  " 'settled' FROM transactions.legacy_order_map WHERE match_kind = 'migrated' ORDER BY order_id LIMIT 1")
        orders = "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM transactions.orders o"
        before, listing = suite.sql(orders), self.documented("Going back")

        def stopped(table, *flags):
            self.assertRegex(suite.sql(listing), rf"^finance\.{table}\|{UUID}\|\w+_[\w-]+$")
            done = suite.lockstep("downgrade", "v2.2.1", *flags, "--json", direct=True, check=False)
            self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["reason"]), (FAILED, "STEP_FAILED"), done.stderr)
            self.assertIn(f'violates foreign key constraint "{table}_order_id_fkey" on table "{table}"', done.stderr)

        stopped("payments")
        self.assertEqual(suite.sql(orders), before)
        suite.sql("""INSERT INTO finance.payment_allocations (payment_id, order_id, amount)
                     SELECT id, order_id, amount FROM finance.payments;
                     UPDATE finance.payments SET order_id = NULL""")
        stopped("payment_allocations")
        self.assertEqual(suite.sql(orders), before)
        suite.lockstep("upgrade", "v2.2.2", direct=True)
        self.assertEqual(suite.sql(orders), before)

        suite.sql("DELETE FROM finance.payment_allocations")
        suite.sql(self.EBAY_ORDER)
        suite.sql("UPDATE finance.payments SET order_id = (SELECT id FROM transactions.orders WHERE external_id = 'ebay_77')")
        stopped("payments", "--archive")
        self.assertEqual(suite.sql("SELECT count(*) FROM transactions.orders WHERE external_id = 'ebay_77'"), "1")
        suite.sql("UPDATE finance.payments SET order_id = NULL")
        self.assertEqual(suite.sql(listing), "")
        suite.lockstep("downgrade", "v2.2.1", "--archive", direct=True)

    def test_planted_defects_are_stopped_and_listed(self):
        for defect, listed in (("empty_number", "number is empty"), ("repeated_number", "is repeated"),
                               ("underscore_number", 'contains "_"'), ("null_number", "number is missing"),
                               ("other_platform", "exists on several platforms")):
            with self.subTest(defect=defect):
                with Suite() as suite:
                    suite.bootstrap()
                    suite.lockstep("upgrade", "v2.2.1", direct=True)
                    suite.load_history("--defect", defect)
                    done = suite.lockstep("upgrade", "v2.2.2", direct=True, check=False)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn(listed, done.stderr)
                    self.assertEqual(suite.sql("SELECT count(*) FROM transactions.legacy_order_map"), "0")

    def test_an_edited_applied_step_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.check_call(["cp", "-r", MIGRATIONS, folder])
            target = next(pathlib.Path(folder).glob("migrations/orders/*/*up.sql"))
            target.write_text(target.read_text() + "\nCOMMENT ON SCHEMA transactions IS 'edited';\n")
            done = self.suite.lockstep("plan", "head", "--migrations", f"{folder}/migrations", direct=True, check=False)
        self.assertEqual(done.returncode, HISTORY, done.stderr)
        self.assertIn(target.name, done.stderr)

    def test_exit_codes(self):
        self.assertEqual(self.newest.lockstep("status", "--exit-code", direct=True, check=False).returncode, 0)
        self.assertEqual(self.before.lockstep("status", "--exit-code", direct=True, check=False).returncode, PENDING)
        self.assertEqual(self.suite.lockstep("upgrade", "v9.9.9", direct=True, check=False).returncode, USAGE)
        self.assertEqual(self.suite.lockstep("frobnicate", check=False).returncode, USAGE)
        self.assertEqual(self.suite.lockstep("current", check=False).returncode, UNREACHABLE)

    def test_json_is_one_document(self):
        status = json.loads(self.suite.lockstep("--json", "status", direct=True).stdout)
        self.assertEqual(status["release"], "v2.2.2")
        plan = json.loads(self.before.lockstep("plan", "head", "--json", direct=True).stdout)
        self.assertTrue(plan["revisions"])

    def test_relative_and_service_targets(self):
        plan = json.loads(self.suite.lockstep("plan", "-1", "--down", "--json", direct=True).stdout)
        self.assertEqual(plan["target"], "v2.2.1")
        plan = json.loads(self.suite.lockstep("plan", "orders@-1", "--down", "--json", direct=True).stdout)
        self.assertEqual(len(plan["revisions"]), 1)

    def test_the_index_says_where_the_database_stands_and_checks_a_copy(self):
        index = self.suite.lockstep("index", direct=True).stdout
        for text in ("v2.2.2", "84bc4d8b03ef", "transactions.orders | 1309", "Known rollback issues"):
            self.assertIn(text, index)
        html = self.suite.lockstep("index", "--format", "html", direct=True).stdout
        self.assertIn("<h1>", html)
        with tempfile.NamedTemporaryFile("w", suffix=".md") as copy:
            copy.write(index)
            copy.flush()
            self.assertEqual(self.suite.lockstep("index", "--check", copy.name, direct=True).returncode, 0)
            copy.write("more")
            copy.flush()
            self.assertEqual(self.suite.lockstep("index", "--check", copy.name, direct=True, check=False).returncode,
                             DRIFT)


class Chain(unittest.TestCase):
    def test_up_down_to_base_and_up_again_leaves_identical_schemas(self):
        with Suite() as suite:
            suite.bootstrap()
            empty = catalog_of(suite.url())
            suite.lockstep("upgrade", direct=True)
            first = catalog_of(suite.url())
            suite.lockstep("downgrade", "base", "--allow-irreversible", direct=True)
            self.assertEqual(empty, catalog_of(suite.url()))
            suite.lockstep("upgrade", direct=True)
            self.assertEqual(first, catalog_of(suite.url()))

    def test_the_offline_script_leads_to_the_same_schema_and_ledger(self):
        # All that is not about who, when and which run.
        ledger = (
            "SELECT revision, ordinal, service, name, kind, checksum FROM migration.applied_steps ORDER BY 1, 2",
            "SELECT revision, service, title, checksum FROM migration.applied_revisions ORDER BY 1",
            "SELECT revision, ordinal, role, file, sha256, md5(body) FROM migration.archived_scripts ORDER BY 1, 2, 3",
            "SELECT revision, service, ordinal, name, direction, checksum FROM migration.step_log ORDER BY log_id",
            "SELECT revision, check_id, expected, actual, passed FROM migration.verification_results ORDER BY result_id",
            "SELECT kind, target, state, error_reason, steps_total FROM migration.runs ORDER BY started_order",
            "SELECT e.event_offset, e.kind, e.revision, e.step, e.step_name, replace(e.message, r.actor, '-'), e.details - 'chain_head',"
            " e.details ? 'chain_head', (SELECT count(*) FROM migration.chain), (SELECT count(*) FROM migration.check_chain())"
            "  FROM migration.run_events e JOIN migration.runs r USING (run_id) ORDER BY r.started_order, 1")

        def same(online, offline):
            self.assertEqual(catalog_of(online.url()), catalog_of(offline.url()))
            for query in ledger:
                self.assertEqual(online.sql(query), offline.sql(query), query)
        with Suite() as online, Suite() as offline:
            online.bootstrap()
            offline.bootstrap()
            # In two parts: the second one changes what views and verifications of the first one read.
            for target, start in (("v2.2.1", "base"), ("v2.2.2", "v2.2.1")):
                online.lockstep("upgrade", target, direct=True)
                psql(offline.url(), offline.lockstep("upgrade", target, "--sql", "--from", start).stdout)
                same(online, offline)
            online.lockstep("downgrade", "v2.2.0", "--allow-irreversible", direct=True)
            psql(offline.url(), offline.lockstep("downgrade", "v2.2.0", "--from", "v2.2.2", "--sql",
                                                 "--allow-irreversible").stdout)
            same(online, offline)
            online.lockstep("upgrade", "v2.2.2", direct=True)
            script = offline.lockstep("upgrade", "v2.2.2", "--sql", "--from", "v2.2.0").stdout
            psql(offline.url(), script)
            same(online, offline)
            self.assertEqual(offline.lockstep("upgrade", "v2.2.2", direct=True).stdout,
                             "nothing to do: v2.2.2 is applied\n")
            # What needs the engine is in no script.
            self.assertIn("VIEW_REWRITE_NEEDS_ENGINE", offline.lockstep("upgrade", "--sql", check=False).stderr)
            # A script for another starting point stops.
            self.assertNotEqual(psql(offline.url(), script, check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
