"""v2.2.3 on the historical data: views compared and moved, expenses relinked, the legacy table dropped, and all the way back."""

import decimal
import json
import unittest

from cli_test import by_name, catalog_of
from planted import at, clone, fingerprint

FAILED, BLOCKED = 1, 5
VIEWS = 18
LEGACY = "SELECT legacy_transaction_id FROM transactions.legacy_order_map WHERE match_kind = '{}' ORDER BY order_id LIMIT {}"
FIGURES = """
SELECT o.id, o.gross_sale, o.net_proceeds, o.gross_profit, o.net_profit, o.roi, o.shelf_life_days, i.purchase_price,
       i.gross_purchase_price, i.vat_rate, (o.sold_at AT TIME ZONE 'UTC')::date - (i.purchase_date AT TIME ZONE 'UTC')::date
FROM transactions.orders o JOIN products.inventory i ON i.id = o.inventory_item_id ORDER BY o.id
"""


def number(text):
    return decimal.Decimal(text) if text else None


def cents(value):
    return value.quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)


def figures(suite):
    """Of every order: id, then gross sale, proceeds, four figures, price, gross price, VAT rate, days."""
    return {row.split("|")[0]: [number(cell) for cell in row.split("|")[1:]] for row in suite.sql(FIGURES).splitlines()}


class Release(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.before = at(cls, "v2.2.2", history=True)
        # Life after v2.2.2: expenses of sales, a sale that only orders know, a migrated order that somebody changed.
        for kind, count in (("migrated", 3), ("duplicate", 2)):
            cls.before.sql("INSERT INTO finance.expenses (description, amount, transaction_id)"
                           f" SELECT '{kind}', 1, t.* FROM ({LEGACY.format(kind, count)}) AS t")
        cls.before.sql("INSERT INTO finance.expenses (description, amount) VALUES ('tape', 2)")
        cls.before.sql("INSERT INTO transactions.orders (platform_id, inventory_item_id, status, external_id, sold_at, gross_sale,"
                       " platform_fee, shipping_cost, net_proceeds) SELECT p.id, i.id, 'completed', 'stockx_new', now(), 100, 9, 1, 90"
                       " FROM core.platforms p, products.inventory i WHERE p.slug = 'stockx' LIMIT 1")
        cls.before.sql("UPDATE transactions.orders SET gross_sale = gross_sale + 7, updated_at = now() WHERE id ="
                       " (SELECT order_id FROM transactions.legacy_order_map WHERE match_kind = 'migrated' ORDER BY 1 LIMIT 1)")
        cls.after = clone_of_class(cls, cls.before)
        cls.upgrade = cls.after.lockstep("upgrade", "v2.2.3", direct=True)

    def test_every_view_was_compared_and_the_checks_are_stored_with_the_run(self):
        stored = dict(row.split("|") for row in self.after.sql(
            "SELECT v.check_id, v.passed FROM migration.verification_results v JOIN migration.runs r USING (run_id)"
            " WHERE r.target = 'v2.2.3'").splitlines())
        self.assertEqual(sum(check.startswith("view analytics.") for check in stored), VIEWS)
        for check in ("Q1", "Q2", "Q2 profit", "Q3", "Q4", "Q6", "Q7", "Q7 days", "Q8 platforms", "Q8 countries", "Q8 weekdays",
                      "linked", "archived rows", "D-25"):
            self.assertIn(check, stored)
        self.assertEqual(set(stored.values()), {"t"})
        self.assertIn("analytics.daily_revenue: equal on these rows, ", self.upgrade.stderr)
        # Not the newcomer, nor the changed one.
        self.assertEqual(self.after.sql("SELECT actual FROM migration.verification_results WHERE check_id = 'Q1'"), "1269")

    def test_the_views_show_every_sale(self):
        sql = self.after.sql
        self.assertEqual(sql("SELECT total_transactions, total_revenue FROM analytics.executive_dashboard"),
                         sql("SELECT count(*), sum(gross_sale) FROM transactions.orders WHERE status = 'completed'"))
        self.assertEqual(sql("SELECT count(*) FROM pg_views WHERE schemaname = 'analytics'"), str(VIEWS))
        self.assertEqual(sql("SELECT count(*) FROM pg_views WHERE definition LIKE '%transactions.transactions%'"), "0")
        self.assertEqual(sql("SELECT sale_price FROM analytics.recent_transactions LIMIT 1"), "100.00")

    def test_expenses_follow_their_sale_to_its_order(self):
        self.assertEqual(self.after.sql(
            "SELECT e.description, count(*), count(m.order_id), count(*) FILTER (WHERE m.match_kind = e.description)"
            "  FROM finance.expenses e LEFT JOIN transactions.legacy_order_map m ON m.order_id = e.order_id"
            " WHERE e.description IN ('duplicate', 'migrated', 'tape') GROUP BY 1 ORDER BY 1"), "duplicate|2|2|2\nmigrated|3|3|3\ntape|1|0|0")
        self.assertEqual(self.after.sql("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'finance'"
                                        " AND column_name = 'transaction_id'"), "0")

    def test_the_legacy_rows_are_archived_to_the_last(self):
        legacy = "SELECT count(*), sum(sale_price), md5(string_agg(to_jsonb(t)::text, '' ORDER BY id)) FROM transactions.{} t"
        self.assertEqual(self.after.sql(legacy.format("legacy_transactions_archive")), self.before.sql(legacy.format("transactions")))
        self.assertTrue(self.after.sql(legacy.format("legacy_transactions_archive")).startswith("1309|"))
        self.assertEqual(self.after.sql("SELECT to_regclass('transactions.transactions') IS NULL"), "t")

    def test_figures_are_those_of_the_formulas_where_a_price_is_known(self):
        before, after = figures(self.before), figures(self.after)
        recomputed = 0
        for order, (gross, proceeds, gross_profit, profit, roi, days, price, gross_price, rate, age) in after.items():
            if price is None or (age is not None and age < 0):
                self.assertEqual(after[order], before[order])
                continue
            recomputed += after[order] != before[order]
            self.assertEqual(gross_profit, None if gross is None else gross - price)
            self.assertEqual(profit, None if proceeds is None else proceeds - price)
            self.assertEqual(days, age)
            if proceeds is None:
                self.assertIsNone(roi)
            elif gross_price and rate is not None and cents(gross_price * 100 / (100 + rate)) == price:
                self.assertEqual(roi, cents((proceeds * (100 + rate) - gross_price * 100) / gross_price))
            else:
                self.assertEqual(roi, cents((proceeds - price) * 100 / price))
        self.assertGreater(recomputed, 100)
        # The kept orders had these figures from the day of their sync.
        self.assertEqual(self.after.sql("SELECT sum(o.net_profit), round(avg(o.roi), 2) FROM transactions.orders o"
                                        " JOIN transactions.legacy_order_map m ON m.order_id = o.id WHERE m.match_kind = 'duplicate'"),
                         "419.18|15.22")

    def test_the_way_back_leads_to_the_same_rows_and_up_again(self):
        suite = clone(self, self.after)
        suite.lockstep("downgrade", "v2.2.2", direct=True)
        self.assertEqual(by_name(catalog_of(suite.url())), by_name(catalog_of(self.before.url())))
        self.assertEqual(fingerprint(suite), fingerprint(self.before))
        suite.lockstep("upgrade", "v2.2.3", direct=True)
        self.assertEqual(by_name(catalog_of(suite.url())), by_name(catalog_of(self.after.url())))
        self.assertEqual(suite.sql("SELECT sum(net_profit), count(*) FROM transactions.orders"),
                         self.after.sql("SELECT sum(net_profit), count(*) FROM transactions.orders"))

    def test_every_service_can_stop_in_between_and_go_back(self):
        suite = clone(self, self.before)
        suite.lockstep("upgrade", "finance@f2b8704ce5a3", direct=True)
        self.assertEqual(suite.sql("SELECT count(*) FROM transactions.transactions"), "1309")
        self.assertEqual(suite.lockstep("verify", direct=True).returncode, 0)
        suite.lockstep("downgrade", "v2.2.2", direct=True)
        self.assertEqual(fingerprint(suite), fingerprint(self.before))

    def test_a_view_that_would_show_something_else_stops_the_release(self):
        suite = clone(self, self.before)
        suite.sql("UPDATE transactions.transactions SET platform_fee = platform_fee + 0.01 WHERE id = "
                  "(SELECT legacy_transaction_id FROM transactions.legacy_order_map WHERE match_kind = 'migrated' ORDER BY order_id"
                  " OFFSET 5 LIMIT 1)")
        done = suite.lockstep("upgrade", "v2.2.3", direct=True, check=False)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertIn("VIEW_DIFFERS", done.stderr)
        self.assertIn("view analytics.daily_revenue", done.stderr)
        self.assertIn("rows only in the old definition", done.stderr)
        self.assertNotEqual(suite.sql("SELECT to_regclass('transactions.transactions') IS NULL"), "t")
        self.assertIn("transactions.transactions", suite.sql("SELECT pg_get_viewdef('analytics.daily_revenue'::regclass)"))

    def test_something_that_hangs_on_the_legacy_table_stops_the_drop(self):
        suite = clone(self, self.before)
        suite.sql("CREATE VIEW finance.stray AS SELECT t.id FROM transactions.transactions AS t;"
                  "ALTER VIEW finance.stray OWNER TO finance_owner")
        done = suite.lockstep("upgrade", "v2.2.3", "--gate-wait", "1", direct=True, check=False)
        self.assertEqual(done.returncode, BLOCKED, done.stderr)
        self.assertIn("finance.stray", done.stderr)
        self.assertEqual(suite.sql("SELECT count(*) FROM transactions.transactions"), "1309")

    def test_the_index_says_what_is_left(self):
        index = self.after.lockstep("index", direct=True).stdout
        for text in ("v2.2.3", "transactions.legacy_transactions_archive | 1309", "Merge the 39 pairs"):
            self.assertIn(text, index)
        self.assertEqual(json.loads(self.after.lockstep("status", "--json", direct=True).stdout)["pending"], [])


def clone_of_class(case, of):
    class Cleanup:
        addCleanup = case.addClassCleanup
    return clone(Cleanup, of)


if __name__ == "__main__":
    unittest.main()
