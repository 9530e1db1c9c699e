"""Every statement of every guard.sql counts what is planted for it, and a downgrade that would lose it is refused."""

import re
import unittest

from planted import A, B, C, an_item, an_order, ask, at, clone, fingerprint, platform, rolled_back, statements

BLOCKED = 5
# Their guards speak of merged orders: they are asked on the upgraded historical data. The others on an empty database.
ON_HISTORY = ("84bc4d8b03ef", "b1e7309cd542", "9e35d1c7b042")
# Guards of what v2.2.3 changes; those of earlier revisions are asked at v2.2.2, whose tables they know.
AT_HEAD = ("5c2e91f0a7d4", "9e35d1c7b042", "3d8f15b6c270")
MIGRATED = "(SELECT order_id FROM transactions.legacy_order_map WHERE match_kind = 'migrated' ORDER BY 1 LIMIT 1)"
KEPT = "(SELECT order_id FROM transactions.legacy_order_map WHERE match_kind = 'duplicate' ORDER BY 1 LIMIT 1)"
SUPPLIER_ACCOUNT = f"INSERT INTO finance.supplier_accounts (supplier_id, email) VALUES ('{C}', 'a');"
REVOKED_TOKEN = f"INSERT INTO auth.revoked_tokens (token_id, expires_at, reason) VALUES ('{A}', now(), 'logout');"
CREDENTIAL = f"INSERT INTO auth.credentials (user_id, password_hash) VALUES ('{A}', '$argon2id$x');"


def a_supplier(**values):
    values = {"name": "'a'", "slug": "'a'", "supplier_type": "'retail'", **values}
    return f"INSERT INTO core.suppliers ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def an_order_of_before(**values):
    """An order as the shape before v2.2.1 could hold it, but for `values` (SQL)."""
    return an_order(**{"stockx_order_number": "'1'", "payout_received": "false", **values})


def a_changed_platform(change):
    return f"UPDATE core.platforms SET {change} WHERE slug = 'goat';"


def plumbing(schema):
    return [("outbox events", [f"INSERT INTO {schema}.outbox (aggregate, kind, payload) VALUES ('a', 'k', '{{}}');"]),
            ("applied event ids (events could be applied twice)",
             [f"INSERT INTO {schema}.inbox (event_id, source) VALUES ('{A}', 'orders');"]),
            ("kept answers of requests (a repeated request would take effect again)",
             [f"INSERT INTO {schema}.request_results (request_id, method, digest, response, expires_at)"
              f" VALUES ('{A}', 'm', '', '', now());"]),
            ("keys of page tokens", [f"INSERT INTO {schema}.signing_keys (id, secret) VALUES (1, decode(repeat('00', 32), 'hex'));"])]


# Revision: for each statement of its guard.sql, in the order of the file: what it counts, and its plants. Every plant
# makes this statement, and no other of the guard, count one; there is one for each arm of an OR.
PLANTS = {
    # catalog
    "3f0a91c2d7e4": plumbing("core"),
    "6d41f7a9c085": [
        ("platforms added or changed",
         ["INSERT INTO core.platforms (name, slug, fee_percentage) VALUES ('Vinted', 'vinted', 5);",
          *map(a_changed_platform, ("slug = 'goat2'", "name = 'Goat'", "active = false", "fee_percentage = 9.6",
                                    "fee_percentage = NULL", "supports_fees = false"))]),
        ("suppliers", [a_supplier()]),
        ("configuration secrets", ["INSERT INTO core.system_config (key, value_encrypted) VALUES ('k', 'v');"]),
        ("users", ["INSERT INTO core.users (email, username) VALUES ('a@b', 'abc');"])],
    "91b3e5d27fa8": [
        ("products", [f"INSERT INTO products.products (sku, category_id, name) VALUES ('s', '{C}', 'a');"]),
        ("sizes", ["INSERT INTO products.sizes (value, region) VALUES ('42', 'EU');"]),
        ("categories", ["INSERT INTO products.categories (name, slug) VALUES ('a', 'a');"]),
        ("brand patterns", [f"INSERT INTO products.brand_patterns (brand_id, pattern) VALUES ('{C}', 'a');"]),
        ("brands", ["INSERT INTO products.brands (name, slug) VALUES ('a', 'a');"])],
    "a72c08e4b9d1": [
        ("listings", ["INSERT INTO products.listings (inventory_item_id, platform_id, external_listing_id, status)"
                      f" VALUES ('{C}', '{C}', 'a', 'active');"]),
        ("inventory items", [an_item()]),
        ("units held by orders",
         [f"INSERT INTO products.item_orders (inventory_item_id, order_id, status) VALUES ('{C}', '{A}', 'sold');"])],
    "c4d9163e8b20": [
        ("price rules", ["INSERT INTO products.price_rules (name, rule_type, effective_from) VALUES ('a', 'cost_plus', now());"]),
        ("brand multipliers",
         ["INSERT INTO products.brand_multipliers (brand_id, multiplier_type, multiplier_value, effective_from)"
          f" VALUES ('{C}', 'premium', 1, now());"])],
    "e80d52b7c3f6": [
        ("items with business intelligence values",
         [an_item(shelf_life_days="0"), an_item(profit_per_shelf_day="0"), an_item(roi_percentage="0"), an_item(sale_overview="''"),
          an_item(location="''"), an_item(listed_stockx="true"), an_item(listed_alias="true"), an_item(listed_local="true"),
          an_item(detailed_status="'packed'")]),
        ("suppliers with category, VAT rate, return policy or mailbox",
         [a_supplier(supplier_category="'general_retail'"), a_supplier(vat_rate="0"), a_supplier(return_policy="''"),
          a_supplier(default_email="''")]),
        ("monthly supplier figures",
         [f"INSERT INTO core.supplier_performance (supplier_id, month_year) VALUES ('{C}', '2025-09-01');"])],
    "887763befe74": [
        ("market snapshots", [f"INSERT INTO products.marketplace_data (inventory_item_id, platform_id) VALUES ('{C}', '{C}');"]),
        ("price history rows",
         ["INSERT INTO products.marketplace_price_history (inventory_item_id, platform_id, observed_at, price_type)"
          f" VALUES ('{C}', '{C}', now(), 'sale');"])],
    "0b6e94d81a57": [
        ("items with delivery date or purchase VAT",
         [an_item(delivery_date="now()"), an_item(gross_purchase_price="1"), an_item(vat_amount="0"), an_item(vat_rate="0")])],
    # finance
    "27c8a5e1f490": plumbing("finance"),
    "5d0f3b96c7a2": [
        ("expenses", ["INSERT INTO finance.expenses (description, amount) VALUES ('a', 1);"]),
        ("payments", ["INSERT INTO finance.payments (direction, kind, amount, status) VALUES ('in', 'payout', 1, 'settled');"]),
        ("allocations of payments",
         [f"INSERT INTO finance.payment_allocations (payment_id, order_id, amount) VALUES ('{C}', '{C}', 1);"])],
    "9e35d1c7b042": [
        ("expenses of orders that were no legacy sale",
         [an_order(id=f"'{A}'") + f"INSERT INTO finance.expenses (description, amount, order_id) VALUES ('a', 1, '{A}');"])],
    "8a64e1d3b05f": [("refreshes in the log", ["INSERT INTO analytics.refresh_log (view_name) VALUES ('a');"])],
    "9c21d7f84eb3": [
        ("supplier accounts", [SUPPLIER_ACCOUNT]),
        ("purchases of supplier accounts",
         ["INSERT INTO finance.account_purchase_history (account_id, supplier_id, purchase_amount, purchase_date, purchase_status)"
          f" VALUES ('{C}', '{C}', 1, now(), 'completed');"])],
    "ad5e60c9137b": [("supplier accounts stored", [SUPPLIER_ACCOUNT])],
    # migration
    "3b7d1e95a0c8": [
        ("role assignments", [f"INSERT INTO auth.user_roles (user_id, role) VALUES ('{A}', 'user');"]),
        ("credentials", [CREDENTIAL]),
        ("refresh tokens", [f"INSERT INTO auth.refresh_tokens (user_id, token_hash, expires_at) VALUES ('{A}', '', now());"]),
        ("revoked tokens (they would be accepted again)",
         [f"INSERT INTO auth.revoked_tokens (token_id, expires_at) VALUES ('{A}', now());"])],
    "c58e20b7f4a6": [("reasons of revoked tokens", [REVOKED_TOKEN])],
    # orders
    "18d5c3f06a9b": plumbing("transactions"),
    "2c97e0b4d815": [
        ("orders", [an_order()]),
        ("platform credentials",
         [f"INSERT INTO transactions.platform_credentials (platform_id, key, value_encrypted) VALUES ('{C}', 'k', 'v');"]),
        ("import records",
         [f"INSERT INTO transactions.import_records (batch_id, source_data, status) VALUES ('{C}', '{{}}', 'completed');"]),
        ("import batches", ["INSERT INTO transactions.import_batches (source_type) VALUES ('stockx');"])],
    "4ea1826cf3d7": [
        ("legacy transactions",
         ["INSERT INTO transactions.transactions (inventory_id, platform_id, transaction_date, sale_price, platform_fee, net_profit)"
          f" VALUES ('{C}', '{C}', now(), 1, 0, 0);"])],
    "73f2d9ab50c6": [("events of orders", [f"INSERT INTO transactions.order_events (order_id, kind) VALUES ('{C}', 'a');"])],
    "1fc1f0c9b64d": [
        ("orders with sale time, proceeds, profit or payout",
         [an_order_of_before(sold_at="now()"), an_order_of_before(gross_sale="0"), an_order_of_before(net_proceeds="0"),
          an_order_of_before(gross_profit="0"), an_order_of_before(net_profit="0"), an_order_of_before(roi="0"),
          an_order_of_before(payout_received="true"), an_order_of_before(shelf_life_days="0"),
          # The check lets no payout date stand without payout_received.
          "ALTER TABLE transactions.orders DROP CONSTRAINT orders_payout_date_payout_received_check;"
          + an_order_of_before(payout_date="now()")])],
    "84bc4d8b03ef": [
        ("orders that the shape before cannot hold: other platform than StockX, or no StockX number",
         [an_order_of_before(platform_id=platform("ebay")), an_order_of_before(stockx_order_number="NULL"),
          # Kept orders stay, so one that is no longer StockX's counts although it is in the map.
          f"UPDATE transactions.orders SET platform_id = {platform('ebay')} WHERE id = {KEPT};"]),
        ("orders outside the legacy map with external id, fee, shipping, destination or notes",
         [an_order_of_before(external_id="'stockx_1'"), an_order_of_before(platform_fee="0"), an_order_of_before(shipping_cost="0"),
          an_order_of_before(buyer_destination_country="''"), an_order_of_before(buyer_destination_city="''"),
          an_order_of_before(notes="''")])],
    "b1e7309cd542": [
        ("migrated orders changed since",
         [f"UPDATE transactions.orders SET updated_at = now() WHERE id = {MIGRATED};",
          # Without the legacy row the order cannot be made again.
          "DELETE FROM transactions.transactions WHERE id = (SELECT legacy_transaction_id FROM transactions.legacy_order_map"
          " WHERE match_kind = 'migrated' LIMIT 1);"]),
        ("kept orders changed since",
         [f"UPDATE transactions.orders SET updated_at = now() WHERE id = {KEPT};",
          an_order(id=f"'{A}'") + "INSERT INTO transactions.order_before_images (order_id, before_image, created_at)"
          f" VALUES ('{A}', '{{}}', now() - interval '1 second');"]),
        ("events of migrated orders",
         [f"INSERT INTO transactions.order_events (order_id, kind) SELECT {MIGRATED}, 'a';"])],
}

PLANTS["5c2e91f0a7d4"] = [
    ("orders with a return beyond 999.99 percent", [an_order(roi="1000"), an_order(roi="-1000")])]

ARCHIVED = ("INSERT INTO transactions.legacy_transactions_archive (id, inventory_id, platform_id, transaction_date, sale_price,"
            " platform_fee, shipping_cost, net_profit, status, created_at, updated_at) SELECT '{}', '{}', {}, now(), 1, 0, 0, 0,"
            " 'completed', now(), now();")
PLANTS["3d8f15b6c270"] = [
    ("archived legacy transactions whose item or platform is gone: the table cannot be made again",
     [ARCHIVED.format(A, C, platform("stockx")), an_item(id=f"'{B}'") + ARCHIVED.format(A, B, f"'{C}'")])]

# What a guard must let go: nothing is lost by the undo. Revision: SQL.
HARMLESS = {
    "3d8f15b6c270": an_item(id=f"'{B}'") + ARCHIVED.format(A, B, platform("stockx")),
    "5c2e91f0a7d4": an_order(roi="999.99"),
    "9e35d1c7b042": f"INSERT INTO finance.expenses (description, amount, order_id) SELECT 'a', 1, {MIGRATED};",
    "c58e20b7f4a6": f"INSERT INTO auth.revoked_tokens (token_id, expires_at) VALUES ('{A}', now());",
    "0b6e94d81a57": an_item(),
    "e80d52b7c3f6": an_item() + a_supplier(),
    "1fc1f0c9b64d": an_order_of_before() + an_order_of_before(stockx_order_number="'2'", payout_received="NULL"),
    "6d41f7a9c085": "UPDATE core.platforms SET updated_at = now(); DELETE FROM core.platforms WHERE slug = 'alias';",
    "84bc4d8b03ef": an_order_of_before() + f"UPDATE transactions.orders SET notes = 'a', platform_fee = 1 WHERE id = {KEPT};",
    "b1e7309cd542": f"INSERT INTO transactions.order_events (order_id, kind) SELECT {KEPT}, 'a';"
                    + an_order(id=f"'{A}'") + "INSERT INTO transactions.order_before_images (order_id, before_image)"
                    f" VALUES ('{A}', '{{}}');",
}


# Up to which release the database is, what is planted, the downgrade, who refuses it, and with which words.
REFUSED = (
    ("v1.0.0", CREDENTIAL, ("migration@-1",), "3b7d1e95a0c8", "credentials: 1"),
    ("v2.0.0", 2 * SUPPLIER_ACCOUNT.replace("'a'", "gen_random_uuid()"), ("v1.0.0",), "9c21d7f84eb3", "supplier accounts: 2"),
    # Permission is not enough, and payment tokens are not archived.
    ("v2.0.0-pci", SUPPLIER_ACCOUNT, ("v2.0.0", "--allow-irreversible"), "ad5e60c9137b", "supplier accounts stored: 1"),
    ("v2.0.0-pci", SUPPLIER_ACCOUNT, ("v2.0.0", "--allow-irreversible", "--archive"), "ad5e60c9137b", "supplier accounts stored: 1"),
    ("v2.2.1", 3 * an_item(vat_rate="19"), ("v2.2.0",), "0b6e94d81a57", "items with delivery date or purchase VAT: 3"),
    ("v2.2.2", f"UPDATE transactions.orders SET updated_at = now() WHERE id = {KEPT};", ("v2.2.1",), "b1e7309cd542",
     "kept orders changed since: 1"),
    ("v2.2.2", REVOKED_TOKEN, ("v2.2.1",), "c58e20b7f4a6", "reasons of revoked tokens: 1"),
)


def cases():
    """(label, revision, number, what, SQL) of every plant."""
    for revision, guard in PLANTS.items():
        for number, (what, plants) in enumerate(guard, start=1):
            for n, sql in enumerate(plants, start=1):
                yield f"{revision}/{number} plant {n}", revision, number, what, sql


class PlantedGuard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.on_disk = statements("guard.sql")
        cls.empty, cls.history = at(cls, "v2.2.2"), at(cls, "v2.2.2", history=True)
        cls.suites = {(False, False): cls.empty, (False, True): cls.history,
                      (True, False): at(cls, "head"), (True, True): at(cls, "head", history=True)}

    def guard(self, revision):
        return [ask(statement, "what, count") for statement in self.on_disk.values() if statement.revision == revision]

    def answers(self, scripts):
        """rolled_back() of label: (revision, SQL) on the database that the revision asks for."""
        return {label: answer for place, suite in self.suites.items()
                for label, answer in rolled_back(suite, {
                    label: [sql, *self.guard(revision)] for label, (revision, sql) in scripts.items()
                    if (revision in AT_HEAD, revision in ON_HISTORY) == place}).items()}

    def nothing(self, revision):
        return {key: [] for key, statement in self.on_disk.items() if statement.revision == revision}

    def test_every_statement_has_a_plant_and_the_engine_sees_the_same_statements(self):
        self.assertEqual({f"{revision}/{number}" for _, revision, number, _, _ in cases()}, set(self.on_disk))

        # An offline downgrade asks every statement and says which undo it would stop, in every step that takes something.
        script = self.empty.lockstep("downgrade", "base", "--from", "head", "--sql", "--allow-irreversible").stdout
        for key, statement in self.on_disk.items():
            self.assertIn(f"FROM (\n{statement.sql}\n) AS g ", script, key)
        stopped = set(re.findall(r"ERRCODE = 'LSG01', MESSAGE = 'undoing revision (\w+) ", script))
        self.assertEqual(stopped, {statement.revision for statement in self.on_disk.values()})

    def test_nothing_is_counted_before_a_plant_nor_where_nothing_is_lost(self):
        before = {f"{revision} before": (revision, "") for revision in PLANTS}
        harmless = {f"{revision} harmless": (revision, sql) for revision, sql in HARMLESS.items()}
        answers = self.answers(before | harmless)
        for label, (revision, _) in (before | harmless).items():
            with self.subTest(label):
                self.assertEqual(answers[label], self.nothing(revision))

    def test_each_statement_alone_counts_what_is_planted(self):
        answers = self.answers({label: (revision, sql) for label, revision, _, _, sql in cases()})
        for label, revision, number, what, _ in cases():
            with self.subTest(label):
                self.assertEqual(answers[label], self.nothing(revision) | {f"{revision}/{number}": [f"{what}|1"]})

    def test_a_downgrade_of_each_service_is_refused_and_nothing_is_lost(self):
        growing = at(self, "v1.0.0")
        for release, plant, arguments, revision, found in REFUSED:
            with self.subTest(" ".join(arguments)):
                if release != "v2.2.2":
                    growing.lockstep("upgrade", release, direct=True)
                suite = clone(self, self.history if release == "v2.2.2" else growing)
                suite.sql(f"SET session_replication_role = replica; {plant}")
                before = fingerprint(suite)

                done = suite.lockstep("downgrade", *arguments, direct=True, check=False)

                self.assertEqual(done.returncode, BLOCKED, done.stderr)
                self.assertIn("GUARD_REFUSED", done.stderr)
                self.assertRegex(done.stderr, rf"undoing revision {revision} .*would destroy:\s+{re.escape(found)}\b")
                self.assertEqual(fingerprint(suite), before)
                self.assertEqual(suite.sql(f"SELECT count(*) FROM migration.applied_revisions WHERE revision = '{revision}'"), "1")


if __name__ == "__main__":
    unittest.main()
