"""The expectations V1 to V12 and the preconditions of the data step stop a merge that would be wrong, and change nothing."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from harness import MIGRATIONS, SOURCE
from planted import A, at, clone, fingerprint, platform

sys.path.append(str(SOURCE / "deploy/demo"))
import demo_history  # noqa: E402
import generate_history  # noqa: E402

FAILED = 1
DATA_STEP = "orders/b1e7309cd542_merge_legacy_transactions/02_merge.up.sql"
ANY_ITEM = "(SELECT inventory_item_id FROM transactions.orders LIMIT 1)"


def one(match_kind):
    return f"(SELECT order_id FROM transactions.legacy_order_map WHERE match_kind = '{match_kind}' ORDER BY 1 LIMIT 1)"


def changed(match_kind, change):
    """A merge that got one order wrong: a migrated one, or a kept one (duplicate)."""
    return f"UPDATE transactions.orders SET {change} WHERE id = {one(match_kind)};"


def surplus(**values):
    """An order that neither source had."""
    values = {"inventory_item_id": ANY_ITEM, "status": "'completed'", "platform_id": platform("ebay"), **values}
    return f"INSERT INTO transactions.orders ({', '.join(values)}) VALUES ({', '.join(values.values())});"


# What is wrong with the merge: SQL at its end, and what the only failing check says (expected, found).
WRONG_MERGES = {
    "two sales that no source tells apart": (
        2 * surplus(), {"V1": ("1310", "1311")}),
    # An order without platform is also one whose platform does not exist: V9 counts it too.
    "an order without platform": (
        "ALTER TABLE transactions.orders ALTER COLUMN platform_id DROP NOT NULL;"
        + surplus(platform_id="NULL", external_id="'x'"), {"V2": ("0", "1"), "V9": ("0 / 0", "0 / 1")}),
    "a StockX order whose external id has another character for the underscore": (
        surplus(platform_id=platform("stockx"), external_id="'stockxx1'"), {"V3": ("1310", "1309")}),
    "a sale before the first": (
        changed("migrated", "sold_at = '2020-06-01 12:00+00'"),
        {"V4": ("2020-06-02 / 2025-07-31", "2020-06-01 / 2025-07-31")}),
    "a sale after the last": (
        changed("migrated", "sold_at = '2025-08-01 12:00+00'"),
        {"V4": ("2020-06-02 / 2025-07-31", "2020-06-02 / 2025-08-01")}),
    "a StockX number that occurs twice": (
        "ALTER TABLE transactions.orders DROP CONSTRAINT orders_stockx_order_number_key;"
        + surplus(external_id="'ebay_1'", stockx_order_number=
                  f"(SELECT stockx_order_number FROM transactions.orders WHERE id = {one('migrated')})"), {"V5": ("0", "1")}),
    "a gross sale that got lost": (
        changed("duplicate", "gross_sale = NULL"),
        {"V6": ("gross_sale 1309, net_profit 1309", "gross_sale 1308, net_profit 1309")}),
    "a net profit that got lost": (
        changed("duplicate", "net_profit = NULL"),
        {"V6": ("gross_sale 1309, net_profit 1309", "gross_sale 1309, net_profit 1308")}),
    "a platform fee that got lost": (
        changed("duplicate", "platform_fee = NULL"), {"V7": ("1309", "1308")}),
    # Another order takes the place of the moved one, so that the totals (V1, V3, V10) do not notice.
    "a sale that moved to another platform": (
        changed("duplicate", f"platform_id = {platform('ebay')}, external_id = 'ebay_1'")
        + surplus(platform_id=platform("stockx"),
                  external_id=f"(SELECT matched_on FROM transactions.legacy_order_map WHERE order_id = {one('duplicate')})"),
        {"V8": ("stockx 1309", "ebay 1, stockx 1308")}),
    "an order of an item that does not exist": (
        "ALTER TABLE transactions.orders DROP CONSTRAINT orders_inventory_item_id_fkey;"
        + changed("migrated", f"inventory_item_id = '{A}'"), {"V9": ("0 / 0", "1 / 0")}),
    "an order of a platform that does not exist": (
        "ALTER TABLE transactions.orders DROP CONSTRAINT fk_orders_platform;"
        + surplus(platform_id=f"'{A}'", external_id="'x'"), {"V9": ("0 / 0", "0 / 1")}),
    "a migrated row that is taken for a duplicate": (
        "UPDATE transactions.legacy_order_map AS m SET match_kind = 'duplicate', before_image = to_jsonb(o)"
        f" FROM transactions.orders AS o WHERE o.id = m.order_id AND m.order_id = {one('migrated')};",
        {"V10": ("1309 rows, 1309 orders, 1270 migrated, 39 duplicate", "1309 rows, 1309 orders, 1269 migrated, 40 duplicate")}),
    **{f"another {what}": (
        changed("migrated", f"{column} = {column} + 1"),
        {"V11": (SUMS, SUMS.replace(f"{what} {before}", f"{what} {after}"))})
       for SUMS in ["sale price 129628.00, platform fee 9131.28, shipping 0.00, net profit 16213.46"]
       for what, column, before, after in (("sale price", "gross_sale", "129628.00", "129629.00"),
                                           ("platform fee", "platform_fee", "9131.28", "9132.28"),
                                           ("shipping", "shipping_cost", "0.00", "1.00"),
                                           ("net profit", "net_profit", "16213.46", "16214.46"))},
    "a status that is not unified": (
        changed("duplicate", "status = 'Sale completed'"),
        {"V12": ("0 outside the set, 1309 completed", "1 outside the set, 1308 completed")}),
    "a completed sale that is no longer": (
        changed("duplicate", "status = 'cancelled'"),
        {"V12": ("0 outside the set, 1309 completed", "0 outside the set, 1308 completed")}),
}

# Rows that the data step must not guess about: the rule that finds them, and what is said about which row. Most are
# the generator's; the others are planted here.
DEFECTS = {
    "null_number": (1, [("legacy", "number is missing (NULL)")]),
    "empty_number": (2, [("legacy", "number is empty (external id 'stockx_')")]),
    "empty_external_id": (2, [("legacy", "number is empty (external id '')"),
                              ("legacy", "external id '' is not 'stockx_' and the number")]),
    "empty_order_number": (2, [("order", "number is empty (external id NULL)")]),
    "blank_number": (2, [("legacy", "number is empty (external id 'stockx_  ')")]),
    "repeated_number": (3, [("legacy", "number '{other_number}' of stockx is repeated: 2 times"),
                            ("other", "number '{other_number}' of stockx is repeated: 2 times")]),
    "underscore_number": (4, [("legacy", "StockX number '{legacy_number}' contains \"_\", which no StockX number does")]),
    "underscore_order_number": (4, [("order", "StockX number '{order_number}' contains \"_\", which no StockX number does")]),
    "other_platform": (5, [("legacy", "number '{number}' exists on several platforms: alias, stockx (here alias)"),
                           ("order", "number '{number}' exists on several platforms: alias, stockx (here stockx)"),
                           ("same_sale", "number '{number}' exists on several platforms: alias, stockx (here stockx)")]),
    "space_after_number": (6, [("legacy", "number '7 ' has white space at an end")]),
    "tab_before_number": (6, [("legacy", "number '\t7' has white space at an end")]),
    "space_after_order_number": (6, [("order", "number '7 ' has white space at an end")]),
    "missing_prefix": (7, [("legacy", "external id '{bare_number}' is not 'stockx_' and the number")]),
    "unknown_status": (8, [("order", "status 'Return' is not a known status")]),
    "negative_price": (9, [("legacy", "sale price -0.01 is negative")]),
}
OWN_DEFECTS = {
    "blank_number": "UPDATE transactions.transactions SET external_id = 'stockx_  ' WHERE id = '{legacy}';",
    "space_after_number": "UPDATE transactions.transactions SET external_id = 'stockx_7 ' WHERE id = '{legacy}';",
    "tab_before_number": "UPDATE transactions.transactions SET external_id = E'stockx_\\t7' WHERE id = '{legacy}';",
    "space_after_order_number": "UPDATE transactions.orders SET stockx_order_number = '7 ' WHERE id = '{order}';",
    "negative_price": "UPDATE transactions.transactions SET sale_price = -0.01 WHERE id = '{legacy}';",
}


class PlantedExpectations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = at(cls, "v2.2.1", history=True)

    def run_merge(self, suite, before="", after=""):
        """Upgrades with a data step that does `before` and `after` as well."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.check_call(["cp", "-r", MIGRATIONS, folder])
            step = pathlib.Path(folder) / "migrations" / DATA_STEP
            step.write_text("\n".join((before, step.read_text(), after)))
            return suite.lockstep("upgrade", "v2.2.2", "--migrations", f"{folder}/migrations", direct=True, check=False)

    def at_the_data_step(self):
        """A database on which a run has failed in the data step: what stands before it is applied and stays."""
        suite = clone(self, self.suite)
        self.assertEqual(self.run_merge(suite, after="SELECT 1/0;").returncode, FAILED)
        self.assertIn("orders@84bc4d8b03ef", suite.lockstep("current", direct=True).stdout)
        return suite, fingerprint(suite, with_ledger=True)

    def test_every_expectation_and_precondition_has_a_plant(self):
        expectations = (MIGRATIONS / DATA_STEP.replace(".up.", ".expect.")).read_text()
        self.assertEqual(set(re.findall(r"^SELECT '(V\d+)' AS check_id", expectations, re.MULTILINE)),
                         {check for _, failing in WRONG_MERGES.values() for check in failing})
        rules = re.findall(r"^ +SELECT (\d+), (?:s\.)?side", (MIGRATIONS / DATA_STEP).read_text(), re.MULTILINE)
        self.assertEqual({int(rule) for rule in rules}, {rule for rule, _ in DEFECTS.values()})
        self.assertEqual(set(generate_history.defects(demo_history.History())), set(DEFECTS) - set(OWN_DEFECTS))

    def test_each_expectation_alone_stops_the_merge_and_nothing_changes(self):
        suite, before = self.at_the_data_step()
        for name, (sql, failing) in WRONG_MERGES.items():
            with self.subTest(name):
                done = self.run_merge(suite, after=sql)

                self.assertEqual(done.returncode, FAILED, done.stderr)
                said = "".join(rf" {check}: expected {re.escape(expected)}, found {re.escape(found)};"
                               for check, (expected, found) in failing.items())
                self.assertRegex(done.stderr, rf"b1e7309cd542 .*was rolled back:{said} \(EXPECTATION_FAILED\)")
                self.assertEqual(fingerprint(suite, with_ledger=True), before)

    def test_each_defect_stops_the_merge_is_listed_with_its_row_and_nothing_changes(self):
        history = demo_history.History()
        # The rows that the generator plants its defects in.
        legacy, other, order = history.sales[700], history.sales[701], history.orders[10]
        rows = {"legacy": legacy["id"], "other": other["id"], "order": order["id"], "same_sale": order["sale"]["id"]}
        words = {"number": order["sale"]["number"], "other_number": other["number"], "bare_number": legacy["number"],
                 "legacy_number": legacy["number"].replace("-", "_"), "order_number": order["sale"]["number"].replace("-", "_")}
        planted = {name: sql for name, (_, sql) in generate_history.defects(history).items()}
        planted |= {name: sql.format(**rows) for name, sql in OWN_DEFECTS.items()}
        suite, before = self.at_the_data_step()
        for name, (_, said) in DEFECTS.items():
            with self.subTest(name):
                done = self.run_merge(suite, before=planted[name])

                self.assertEqual(done.returncode, FAILED, done.stderr)
                listed = re.search(r"cannot be matched: \d+ findings \((.*?)\) \(hint: ", done.stderr, re.DOTALL)
                self.assertIsNotNone(listed, done.stderr)
                self.assertEqual(sorted(listed[1].split("\n")),
                                 sorted(f"{'order' if row == 'order' else 'legacy transaction'} {rows[row]}: {text.format(**words)}"
                                        for row, text in said))
                self.assertEqual(fingerprint(suite, with_ledger=True), before)


if __name__ == "__main__":
    unittest.main()
