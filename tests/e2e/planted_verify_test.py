"""Every statement of every verify.sql has a planted violation that it reports, and reports nothing before."""

import json
import re
import unittest

from planted import A, B, C, an_item, an_order, ask, at, clone, platform, rolled_back, statements

VIOLATED = 1
VIEWS = ("daily_revenue", "monthly_revenue", "daily_sales", "data_quality_check", "executive_dashboard",
         "platform_performance", "recent_transactions", "sales_by_country", "sales_by_weekday", "top_products",
         "top_products_revenue", "brand_monthly_performance", "revenue_growth", "brand_market_position",
         "brand_collaboration_performance", "brand_deep_dive_overview", "nike_product_breakdown", "brand_performance")

PERSONAL_DATA = tuple(f"finance.supplier_accounts.{column}" for column in
                      ("email", "first_name", "last_name", "address_line_1", "address_line_2", "city", "zip_code", "state_code",
                       "country_code", "phone_number"))


def emptied(view):
    """The view as it is, without rows."""
    return (f"DO $$ BEGIN EXECUTE format('CREATE OR REPLACE VIEW analytics.{view} AS SELECT * FROM (%s) AS v LIMIT 0',"
            f" rtrim(pg_get_viewdef('analytics.{view}'::regclass), ';')); END $$;")


def totals_differ(view, name):
    """Planted in `view`, the report shows `name` as the one that has no revenue."""
    return (emptied(view), [f"totals of the views differ|dashboard 133438.00, %s" % ", ".join(
        f"{each} {'0' if each == name else '133438.00'}"
        for each in ("months", "days", "platforms", "countries", "weekdays"))])


def indexes(schema, names, is_qualified):
    """An index that is gone and one whose build was cut short are both reported, for each of `names`."""
    everyone = ", ".join(f"{schema}.{name}" for name in names)
    found = [f"index is missing or was not built to its end|{schema + '.' if is_qualified else ''}{name}" for name in names]
    regclasses = ", ".join(f"'{schema}.{name}'::regclass" for name in names)
    return [(f"DROP INDEX {everyone};", found),
            (f"UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid IN ({regclasses});", found)]


def plumbing(service, schema):
    tables = [f"{schema}.{table}" for table in ("outbox", "inbox", "request_results", "signing_keys")]
    return [
        [(f"INSERT INTO {schema}.outbox (event_id, aggregate, kind, payload, delivered_at, dead_at)"
          f" VALUES ('{A}', 'a', 'k', '{{}}', now(), now());", [f"outbox event is both delivered and dead|{A}"])],
        [(f"REVOKE ALL ON {', '.join(tables)} FROM {service}_app;",
          [f"{service}_app lacks {privilege}|{table}"
           for table in tables for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")])],
    ]


def unproven(table, name, check, found):
    """A constraint that is gone and one that was never proven are both reported."""
    drop = f"ALTER TABLE {table} DROP CONSTRAINT {name}"
    return [(f"{drop};", [found]), (f"{drop}, ADD CONSTRAINT {name} CHECK ({check}) NOT VALID;", [found])]


def unsaid(columns, violation):
    """Each of `columns` without its comment."""
    return ("".join(f"COMMENT ON COLUMN {column} IS NULL;" for column in columns),
            [f"{violation}|{column}" for column in columns])


def history_may_change(table, service, text):
    return [(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO {service}_app;",
             [f"{service}_app may change {text}: {privilege}|{table}" for privilege in ("UPDATE", "DELETE", "TRUNCATE")])]


# Revision: for each statement of its verify.sql, in the order of the file, its plants: (SQL, the rows that it reports).
PLANTS = {
    # catalog
    "3f0a91c2d7e4": plumbing("catalog", "core"),
    "5b8e27d0a613": [[
        ("DROP EXTENSION pg_trgm CASCADE;", ["extension pg_trgm is not in schema public|pg_trgm"]),
        ("ALTER EXTENSION pg_trgm SET SCHEMA core;", ["extension pg_trgm is not in schema public|pg_trgm"])]],
    "6d41f7a9c085": [
        [("DELETE FROM core.platforms;",
          [f"platform row is missing|{slug}" for slug in ("stockx", "ebay", "goat", "alias", "grailed")])],
        [("UPDATE core.platforms SET fee_percentage = 0.095 WHERE slug = 'goat';",
          ["platform fee looks like a fraction, percent is expected|goat"])]],
    "91b3e5d27fa8": [
        [(f"INSERT INTO products.categories (id, name, slug, parent_id) VALUES ('{A}', 'a', 'a', '{B}'), ('{B}', 'b', 'b', '{C}'),"
          f" ('{C}', 'c', 'c', '{A}'), (gen_random_uuid(), 'below', 'below', '{A}');",
          [f"category is its own ancestor|{each}" for each in (A, B, C)])],
        [(f"INSERT INTO products.brands (id, name, slug, parent_brand_id) VALUES ('{A}', 'Ouroboros', 'ouroboros', '{A}');",
          ["brand is its own parent|Ouroboros"])]],
    "a72c08e4b9d1": [
        # An item whose product is gone drops out of the view.
        [(an_item(), ["items and their summaries differ in number|2001 items, 2000 summaries"])],
        [(an_item(id=f"'{B}'", quantity="0")
          + "INSERT INTO products.listings (id, inventory_item_id, platform_id, external_listing_id, status)"
          f" VALUES ('{A}', '{B}', {platform('stockx')}, 'a', 'active'), ('{C}', '{B}', {platform('stockx')}, 'c', 'expired');",
          [f"active listing of an item without units|{A}"])],
        [(an_item(id=f"'{A}'") + an_item(id=f"'{B}'", quantity="2")
          + "INSERT INTO products.item_orders (inventory_item_id, order_id, status)"
          f" SELECT item, gen_random_uuid(), status FROM unnest(ARRAY['{A}', '{B}']::uuid[]) AS item,"
          " unnest(ARRAY['sold', 'reserved']) AS status;",
          [f"more orders than units|{A}"])]],
    "c4d9163e8b20": [
        [("INSERT INTO products.price_rules (name, rule_type, effective_from, effective_until)"
          " VALUES ('backwards', 'cost_plus', now(), now() - interval '1 day');", ["price rule ends before it begins|backwards"])],
        [("INSERT INTO products.brand_multipliers (id, brand_id, multiplier_type, multiplier_value, effective_from, effective_until)"
          f" VALUES ('{A}', '{C}', 'premium', 1, '2025-02-02', '2025-02-01');", [f"brand multiplier ends before it begins|{A}"])]],
    "e80d52b7c3f6": [
        indexes("products", ("inventory_shelf_life_days_idx", "inventory_roi_percentage_idx", "inventory_location_idx"), False),
        [(an_item(id=f"'{A}'", status="'in_stock'", shelf_life_days="3")
          + an_item(id=f"'{B}'", status="'presale'", shelf_life_days="3")
          + an_item(id=f"'{C}'", status="'preorder'", shelf_life_days="3")
          + an_item(status="'sold'", shelf_life_days="3"),
          [f"item in stock has a frozen shelf life|{each}" for each in (A, B, C)])]],
    "887763befe74": [
        history_may_change("products.marketplace_price_history", "catalog", "price history"),
        [("DROP TABLE products.marketplace_price_history_default;",
          ["price history has no default partition|products.marketplace_price_history"])]],
    "0b6e94d81a57": [
        indexes("products", ("idx_inventory_delivery_date",), True),
        [(an_item(id=f"'{A}'", purchase_price="100.00", gross_purchase_price="119.00", vat_amount="19.01")
          + an_item(id=f"'{B}'", purchase_price="100.00", gross_purchase_price="119.00", vat_amount="19.00"),
          [f"VAT amount is not gross minus net|{A}"])]],
    "d2b6f81c05e9": [
        unproven("products.listings", "listings_inventory_type_check", "inventory_type <> ''",
                 "inventory type check is missing or unproven|products.listings"),
        [unsaid(("core.platforms.name", "core.suppliers.email", "core.suppliers.phone", "core.suppliers.website",
                 "core.system_config.key"), "column does not say what it means")]],
    "4f7b20d9e6c1": [
        [("ALTER TABLE products.inventory ADD COLUMN sale_overview text;",
          ["column is back|products.inventory.sale_overview"])]],
    # finance
    "27c8a5e1f490": plumbing("finance", "finance"),
    "5d0f3b96c7a2": [[
        ("INSERT INTO finance.payments (id, direction, kind, amount, status)"
         f" VALUES ('{A}', 'in', 'payout', 10, 'settled'), ('{B}', 'out', 'refund', -10, 'settled'), ('{C}', 'in', 'payout', 10, 'settled');"
         "INSERT INTO finance.payment_allocations (payment_id, order_id, amount)"
         f" VALUES ('{A}', '{A}', 5), ('{A}', '{B}', 5.01), ('{B}', '{A}', -10.01), ('{C}', '{A}', 5), ('{C}', '{B}', 5);",
         [f"allocations exceed the payment|{A}", f"allocations exceed the payment|{B}"])]],
    "8a64e1d3b05f": [
        [totals_differ("monthly_revenue", "months"), totals_differ("daily_revenue", "days"),
         totals_differ("platform_performance", "platforms"), totals_differ("sales_by_country", "countries"),
         totals_differ("sales_by_weekday", "weekdays"),
         ("CREATE OR REPLACE VIEW analytics.executive_dashboard AS SELECT 0::bigint AS total_transactions,"
          " 1::numeric(12,2) AS total_revenue, 0::numeric(12,2) AS avg_order_value, 0::bigint AS active_days,"
          " NULL::date AS first_sale_date, NULL::date AS last_sale_date;",
          ["totals of the views differ|dashboard 1.00, months 133438.00, days 133438.00, platforms 133438.00,"
           " countries 133438.00, weekdays 133438.00"])],
        [("REVOKE SELECT ON analytics.daily_revenue FROM finance_app;"
          "CREATE MATERIALIZED VIEW analytics.secret AS SELECT 1 AS one;",
          ["finance_app may not read the view|analytics.daily_revenue", "finance_app may not read the view|analytics.secret"])],
        [("DROP SCHEMA analytics CASCADE;", [f"view is missing|analytics.{view}" for view in VIEWS])]],
    "9c21d7f84eb3": [
        [(f"INSERT INTO finance.supplier_accounts (id, supplier_id, email, total_purchases) VALUES ('{A}', '{C}', 'a', 1), ('{B}', '{C}', 'b', 2);"
          "INSERT INTO finance.account_purchase_history (account_id, supplier_id, purchase_amount, purchase_date, purchase_status)"
          f" SELECT account, '{C}', 1, now(), 'completed' FROM unnest(ARRAY['{A}', '{B}']::uuid[]) AS account, generate_series(1, 2);",
          [f"purchase counter of an account differs from its history|{A}"])],
        [(f"INSERT INTO finance.supplier_accounts (id, supplier_id, email, total_purchases) VALUES ('{B}', '{C}', 'b', 2);"
          "INSERT INTO finance.account_purchase_history (id, account_id, supplier_id, purchase_amount, purchase_date, purchase_status)"
          f" VALUES ('{A}', '{B}', '{A}', 1, now(), 'completed'), ('{B}', '{B}', '{C}', 1, now(), 'completed');",
          [f"purchase of an account is booked on another supplier|{A}"])]],
    "ad5e60c9137b": [
        [("ALTER TABLE finance.expenses ADD COLUMN card_number text, ADD COLUMN cc_no text, ADD COLUMN cvv2 text,"
          " ADD COLUMN pan text, ADD COLUMN security_code_encrypted text, ADD COLUMN verification_code text,"
          " ADD COLUMN cardinality integer, ADD COLUMN company text;",
          [f"column for card data|finance.expenses.{column}" for column in
           ("card_number", "cc_no", "cvv2", "pan", "security_code_encrypted", "verification_code")])],
        [("INSERT INTO finance.supplier_accounts (id, supplier_id, email, payment_provider, payment_method_token)"
          f" VALUES ('{A}', '{C}', 'a', NULL, 'tok_1'), ('{B}', '{C}', 'b', 'stripe', '4111 1111-1111 1111'),"
          f" ('{C}', '{C}', 'c', 'stripe', 'tok_1');",
          [f"payment token without provider, or with the digits of a card number|{each}" for each in (A, B)])]],
    "40c9ae7d6f12": [[
        unsaid(PERSONAL_DATA, "personal data is not marked as such"),
        ("COMMENT ON COLUMN finance.supplier_accounts.email IS 'Login; unique per supplier.';",
         ["personal data is not marked as such|finance.supplier_accounts.email"])]],
    "9e35d1c7b042": [
        [("ALTER TABLE finance.expenses DROP CONSTRAINT expenses_order_id_fkey;",
          ["foreign key is missing or unproven|expenses_order_id_fkey"]),
         ("ALTER TABLE finance.expenses DROP CONSTRAINT expenses_order_id_fkey, ADD CONSTRAINT expenses_order_id_fkey"
          " FOREIGN KEY (order_id) REFERENCES transactions.orders (id) NOT VALID;",
          ["foreign key is missing or unproven|expenses_order_id_fkey"])],
        indexes("finance", ("expenses_order_id_idx",), True)],
    "c03a5f8e17d9": [
        [(f"INSERT INTO finance.expenses (id, description, amount, transaction_id) VALUES ('{A}', 'a', 1, '{C}');"
          f"INSERT INTO finance.expenses (id, description, amount, transaction_id, order_id) SELECT '{B}', 'b', 1,"
          " legacy_transaction_id, '" + C + "' FROM transactions.legacy_order_map LIMIT 1;",
          [f"expense of a legacy sale has another order than the sale|{each}" for each in (A, B)])]],
    "f2b8704ce5a3": [
        [("CREATE TABLE transactions.transactions (id uuid);"
          "CREATE VIEW analytics.stray AS SELECT t.id FROM transactions.transactions AS t;",
          ["view reads legacy transactions|analytics.stray"])]],
    "71d6c4a90fe8": [
        [("CREATE TABLE transactions.transactions (id uuid PRIMARY KEY);"
          "ALTER TABLE finance.expenses ADD COLUMN sale uuid CONSTRAINT stray_fkey REFERENCES transactions.transactions (id);",
          ["foreign key on legacy transactions|stray_fkey"])]],
    # migration
    "3b7d1e95a0c8": [
        [("DELETE FROM auth.roles;", [f"role is missing|{role}" for role in ("admin", "user", "readonly")])],
        [(f"INSERT INTO auth.credentials (user_id, password_hash) VALUES ('{A}', 'hunter2'), ('{B}', '$argon2id$v=19$x');",
          [f"credential is not a password hash|{A}"])]],
    "c58e20b7f4a6": [unproven("auth.revoked_tokens", "revoked_tokens_reason_check", "reason <> ''",
                              "reason check is missing or unproven|auth.revoked_tokens")],
    # orders
    "18d5c3f06a9b": plumbing("orders", "transactions"),
    "2c97e0b4d815": [
        [("INSERT INTO transactions.import_batches (id, source_type, status, total_records, processed_records, error_records)"
          f" VALUES ('{A}', 'stockx', 'completed', 1, 2, 0), ('{B}', 'stockx', 'completed', 1, 0, 2),"
          f" ('{C}', 'stockx', 'completed', 1, 1, 0);",
          [f"import counts more rows than it read|{each}" for each in (A, B)])],
        [("INSERT INTO transactions.import_batches (id, source_type, started_at, completed_at)"
          f" VALUES ('{A}', 'stockx', now(), now() - interval '1 second');", [f"import ended before it started|{A}"])]],
    "4ea1826cf3d7": [[
        ("REVOKE SELECT, REFERENCES ON transactions.transactions FROM finance_owner;",
         [f"finance_owner lacks {privilege}|transactions.transactions" for privilege in ("SELECT", "REFERENCES")])]],
    "73f2d9ab50c6": [history_may_change("transactions.order_events", "orders", "history")],
    "1fc1f0c9b64d": [
        indexes("transactions", ("idx_orders_sold_at", "idx_orders_payout_received"), True),
        [(an_order(id=f"'{A}'", sold_at="now() + interval '25 hours'") + an_order(sold_at="now() + interval '23 hours'"),
          [f"sale in the future|{A}"])]],
    "84bc4d8b03ef": [
        [(an_order(id=f"'{A}'", platform_id=platform("ebay"), stockx_order_number="'7'"),
          [f"order of another platform has a StockX number|{A}"])],
        [(an_order(id=f"'{A}'", stockx_order_number="'7'", external_id="'stockx_8'"),
          [f"external id is not stockx_ and the StockX number|{A}"])],
        indexes("transactions", ("ix_orders_external_id", "orders_platform_id_external_id_key"), True)],
    "b1e7309cd542": [
        [(an_order(id=f"'{A}'", platform_id=f"'{C}'"), [f"order without platform|{A}"])],
        [(an_order(id=f"'{A}'"), [f"order without inventory item|{A}"])],
        [("INSERT INTO transactions.transactions (id, inventory_id, platform_id, transaction_date, sale_price, platform_fee, net_profit)"
          f" VALUES ('{A}', '{C}', {platform('stockx')}, now(), 1, 0, 0);", [f"legacy transaction is not in the map|{A}"])],
        [("INSERT INTO transactions.legacy_order_map (legacy_transaction_id, order_id, match_kind)"
          f" VALUES ('{A}', '{C}', 'migrated');", [f"map row without legacy transaction|{A}"])],
        [("DROP INDEX transactions.orders_platform_id_external_id_key;"
          + 2 * an_order(external_id="'stockx_7'") + an_order(platform_id=platform("ebay"), external_id="'stockx_7'"),
          ["number occurs more than once on one platform|stockx_7"])],
        [("ALTER TABLE transactions.orders DROP CONSTRAINT orders_status_check;"
          + an_order(id=f"'{A}'", status="'Sale completed'"), [f"status is not one of the unified set|{A}: Sale completed"])]],
    "d6a8f41e2b93": [
        [("GRANT INSERT, UPDATE, DELETE, TRUNCATE ON transactions.transactions TO orders_app;",
          [f"orders_app may change legacy transactions: {privilege}|transactions.transactions"
           for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")])],
        [("ALTER TABLE transactions.orders DROP CONSTRAINT orders_status_check;",
          ["status check is missing or unproven|transactions.orders"]),
         ("ALTER TABLE transactions.orders DROP CONSTRAINT orders_status_check,"
          " ADD CONSTRAINT orders_status_check CHECK (status <> '') NOT VALID;",
          ["status check is missing or unproven|transactions.orders"])]],
    "f93b7c05e1d8": [indexes("transactions", ("orders_platform_id_status_sold_at_idx", "orders_sold_at_id_idx",
                                              "orders_payout_received_sold_at_idx"), True)],
    "7a0d94e3b61c": [
        [plant for table, name, column in (("transactions.orders", "orders_inventory_type_check", "inventory_type"),
                                           ("transactions.import_records", "import_records_status_check", "status"))
         for plant in unproven(table, name, f"{column} <> ''", f"check is missing or unproven|{name}")],
        [("GRANT INSERT, UPDATE, DELETE, TRUNCATE ON transactions.legacy_order_map TO orders_app;",
          [f"orders_app may change the legacy map: {privilege}|transactions.legacy_order_map"
           for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")])],
        [unsaid(("transactions.orders.currency_code",), "column does not say what NULL means"),
         ("COMMENT ON COLUMN transactions.orders.currency_code IS 'ISO 4217.';",
          ["column does not say what NULL means|transactions.orders.currency_code"])]],
    "5c2e91f0a7d4": [
        [("REVOKE SELECT ON transactions.legacy_order_map FROM finance_owner;",
          ["finance_owner may not read the legacy map|transactions.legacy_order_map"])],
        unproven("transactions.orders", "orders_roi_check", "roi <> 'NaN'", "check is missing or unproven|orders_roi_check")],
    "a9c47e0d53f1": [
        [("ALTER TABLE transactions.orders DROP CONSTRAINT orders_shelf_life_days_check;"
          + an_order(id=f"'{A}'", shelf_life_days="-1"), [f"shelf life below 0|{A}"])]],
    "3d8f15b6c270": [
        [(an_order(id=f"'{A}'", platform_id=f"'{C}'"), [f"order without platform|{A}"])],
        [(an_order(id=f"'{A}'"), [f"order without inventory item|{A}"])],
        [("INSERT INTO transactions.legacy_transactions_archive (id, inventory_id, platform_id, transaction_date, sale_price,"
          " platform_fee, shipping_cost, net_profit, status, created_at, updated_at)"
          f" VALUES ('{A}', '{C}', '{C}', now(), 1, 0, 0, 0, 'completed', now(), now());",
          [f"archived legacy transaction is not in the map|{A}"])],
        [("INSERT INTO transactions.legacy_order_map (legacy_transaction_id, order_id, match_kind)"
          f" VALUES ('{A}', '{C}', 'migrated');", [f"map row without archived legacy transaction|{A}"])],
        [("DROP INDEX transactions.orders_platform_id_external_id_key;"
          + 2 * an_order(external_id="'stockx_7'") + an_order(platform_id=platform("ebay"), external_id="'stockx_7'"),
          ["number occurs more than once on one platform|stockx_7"])],
        [("ALTER TABLE transactions.orders DROP CONSTRAINT orders_status_check;",
          ["status check is missing or unproven|transactions.orders"]),
         ("ALTER TABLE transactions.orders DROP CONSTRAINT orders_status_check,"
          " ADD CONSTRAINT orders_status_check CHECK (status <> '') NOT VALID;",
          ["status check is missing or unproven|transactions.orders"])]],
}


# Checks that a later revision supersedes are asked where they hold, the others at the head.
SUPERSEDED = {"4ea1826cf3d7": "v2.2.2", "b1e7309cd542": "v2.2.2", "d6a8f41e2b93": "v2.2.2", "c03a5f8e17d9": "c03a5f8e17d9"}


def asked(check):
    return ask(check, "violation, subject")


class PlantedVerify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.on_disk = statements("verify.sql")
        cls.suite = at(cls, "head", history=True)
        cls.suites = {target: at(cls, target, history=True) for target in set(SUPERSEDED.values())} | {"head": cls.suite}

    def answers(self, scripts):
        """rolled_back() of label: (revision, SQL statements), each on the database where the revision's checks hold."""
        return {label: answer for target, suite in self.suites.items() for label, answer in rolled_back(suite, {
            label: parts for label, (revision, parts) in scripts.items()
            if SUPERSEDED.get(revision, "head") == target}).items()}

    def test_every_check_has_a_plant_and_the_engine_sees_the_same_checks(self):
        planted = {f"{revision}/{number}" for revision, checks in PLANTS.items()
                   for number, plants in enumerate(checks, start=1) if plants}
        self.assertEqual(planted, set(self.on_disk))

        results = json.loads(self.suite.lockstep("verify", "--json", direct=True).stdout)["results"]
        self.assertEqual(sorted((result["revision"], result["check_id"]) for result in results),
                         sorted((check.revision, f"verify.sql:{check.line}") for check in self.on_disk.values()
                                if check.revision not in SUPERSEDED))

    def test_nothing_is_reported_before_a_plant(self):
        answers = self.answers({key: (check.revision, ["SET TRANSACTION READ ONLY;", asked(check)])
                                for key, check in self.on_disk.items()})
        self.assertEqual(answers, {key: {key: []} for key in self.on_disk})

    def test_each_check_reports_exactly_what_is_planted(self):
        plants = {f"{revision}/{number} plant {n}": (self.on_disk[f"{revision}/{number}"], sql, found)
                  for revision, checks in PLANTS.items() for number, plants in enumerate(checks, start=1)
                  for n, (sql, found) in enumerate(plants, start=1)}
        answers = self.answers({label: (check.revision, [sql, "SET TRANSACTION READ ONLY;", asked(check)])
                                for label, (check, sql, _) in plants.items()})
        for label, (check, _, found) in plants.items():
            with self.subTest(label):
                self.assertEqual(answers[label], {check.key: sorted(found)})

    def test_the_command_reports_a_violation_of_each_service(self):
        suite = clone(self, self.suite)
        planted = {}
        for key in ("6d41f7a9c085/2", "9c21d7f84eb3/1", "3b7d1e95a0c8/2", "2c97e0b4d815/2"):
            check = self.on_disk[key]
            sql, found = PLANTS[check.revision][check.number - 1][0]
            suite.sql(f"SET session_replication_role = replica; {sql}")
            planted[check.revision, f"verify.sql:{check.line}"] = found

        done = suite.lockstep("verify", direct=True, check=False)

        self.assertEqual(done.returncode, VIOLATED, done.stderr)
        reported = {(revision, check): text for revision, check, text in
                    re.findall(r"^violated +(\w+) +(\S+) +(.*)$", done.stdout, re.MULTILINE)}
        self.assertEqual(set(reported), set(planted), done.stdout)
        for check, found in planted.items():
            violation, subject = found[0].split("|")
            self.assertEqual(json.loads(reported[check]), {"violation": violation, "subject": subject})
        asked_at_head = [check for check in self.on_disk.values() if check.revision not in SUPERSEDED]
        self.assertIn(f"{len(asked_at_head)} checks, {len(planted)} violated", done.stdout)



if __name__ == "__main__":
    unittest.main()
