#!/usr/bin/env python3
"""Prints the historical data of the demo and of the tests as SQL, for a database at v2.2.1.

    generate_history.py | psql -v ON_ERROR_STOP=1 "$URL"       the data set, one transaction
    generate_history.py --defect null_number | psql ...        with one planted defect that the data step of v2.2.2 must stop
    generate_history.py --list-defects
    generate_history.py --report > stockx_sample.csv           the seller report that goes with it

1,309 legacy transactions on 706 days in 54 months, 39 orders of the Notion sync that 39 of them repeat, 2,000 items, 10,000
market snapshots. The output is the same on every machine. Whoever loads it needs the rights of all owners (the
administrator or lockstep_migrator).
"""

import argparse
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import demo_history
import demo_report
from demo_history import cents, new_id, to_json

ROWS_PER_STATEMENT = 500
IMPORTED = datetime(2025, 8, 30, 10, 30, tzinfo=timezone.utc)
SYNCED = datetime(2025, 9, 30, 18, 0, tzinfo=timezone.utc)
FEES = {"stockx": "0.0950", "ebay": "0.1000", "goat": "0.0950", "alias": "0.0000", "grailed": "0.0900"}


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, datetime):
        return f"'{value:%Y-%m-%d %H:%M:%S}+00'"
    if isinstance(value, date):
        return f"'{value:%Y-%m-%d} 00:00:00+00'"
    if isinstance(value, (dict, list)):
        value = to_json(value)
    return "'" + value.replace("'", "''") + "'"


def insert(table, columns, rows):
    """columns: name or (name, type); the type is needed for `platform`, which is looked up by its slug."""
    names = [c.split()[0] for c in columns]
    types = [c.split()[1] for c in columns]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        values = ",\n".join("(" + ", ".join(literal(v) for v in row) + ")" for row in rows[start:start + ROWS_PER_STATEMENT])
        targets, picks, join = [], [], ""
        for name, kind in zip(names, types):
            if name == "platform":
                targets.append("platform_id")
                picks.append("p.id")
                join = "\nJOIN core.platforms AS p ON p.slug = v.platform"
            else:
                targets.append(name)
                picks.append(f"v.{name}::{kind}")
        print(f"INSERT INTO {table} ({', '.join(targets)})\nSELECT {', '.join(picks)}\nFROM (VALUES\n{values}\n) "
              f"AS v ({', '.join(names)}){join};\n")


def catalog(history):
    insert("products.brands", ["id uuid", "name text", "slug text", "segment text", "price_tier text", "target_demographic text",
                               "is_collaboration boolean", "parent_brand_id uuid"],
           [[b["id"], b["name"], b["slug"], b["segment"], b["price_tier"], b["target_demographic"], b["is_collaboration"],
             b["parent_brand_id"]] for b in history.brands])
    insert("products.brand_patterns", ["id uuid", "brand_id uuid", "pattern_type text", "pattern text", "priority integer"],
           [[p["id"], p["brand_id"], p["pattern_type"], p["pattern"], p["priority"]] for p in history.patterns])
    insert("products.categories", ["id uuid", "name text", "slug text", "parent_id uuid", "path text"],
           [[c["id"], c["name"], c["slug"], c["parent_id"], c["path"]] for c in history.categories])
    insert("products.sizes", ["id uuid", "value text", "standardized_value numeric", "region text"],
           [[s["id"], s["value"], s["standardized_value"], s["region"]] for s in history.sizes])
    insert("core.suppliers", ["id uuid", "name text", "slug text", "supplier_type text", "supplier_category text", "city text",
                              "country text", "vat_rate numeric", "return_policy_days integer"],
           [[s["id"], s["name"], s["slug"], s["supplier_type"], s["supplier_category"], s["city"], s["country"], s["vat_rate"],
             s["return_policy_days"]] for s in history.suppliers])
    insert("products.products", ["id uuid", "sku text", "brand_id uuid", "category_id uuid", "name text", "retail_price numeric",
                                 "created_at timestamptz", "updated_at timestamptz"],
           [[p["id"], p["sku"], None if p["brand"] == "Unknown" else new_id("brand", p["brand"]), new_id("category", p["category"]),
             p["name"], Decimal(p["price"]) + 20, IMPORTED, IMPORTED] for p in history.products])


def inventory(history):
    columns = ["id uuid", "product_id uuid", "size_id uuid", "supplier_id uuid", "supplier text", "purchase_price numeric",
               "purchase_date timestamptz", "delivery_date timestamptz", "gross_purchase_price numeric", "vat_amount numeric",
               "vat_rate numeric", "status text", "detailed_status text", "location text", "listed_stockx boolean",
               "listed_alias boolean", "shelf_life_days integer", "profit_per_shelf_day numeric", "roi_percentage numeric",
               "sale_overview text", "external_ids jsonb", "created_at timestamptz", "updated_at timestamptz"]
    rows = []
    for item in history.items:
        supplier = item.get("supplier") or {}
        rows.append([item["id"], item["product"]["id"], item["size"]["id"], supplier.get("id"), supplier.get("name"),
                     *[item.get(k) for k in ("purchase_price", "purchase_date", "delivery_date", "gross_purchase_price", "vat_amount",
                                             "vat_rate")],
                     item["status"], item.get("detailed_status"), item.get("location"), item.get("listed_stockx", False),
                     item.get("listed_alias", False),
                     *[item.get(k) for k in ("shelf_life_days", "profit_per_shelf_day", "roi_percentage", "sale_overview")],
                     item["external_ids"], item["created_at"], max(item["created_at"], IMPORTED)])
    insert("products.inventory", columns, rows)

    listings = []
    for item in history.items:
        if item["status"].startswith("listed_"):
            listings.append([new_id("listing", item["id"]), item["id"], item["status"].removeprefix("listed_"),
                             new_id("external listing", item["id"]), "active", Decimal(item["product"]["price"]), "EUR", "STANDARD",
                             IMPORTED])
    insert("products.listings", ["id uuid", "inventory_item_id uuid", "platform text", "external_listing_id text", "status text",
                                 "amount numeric", "currency_code text", "inventory_type text", "last_price_update timestamptz"], listings)


def market(history):
    dice = demo_history.Dice(10_000)
    rows = []
    for item in history.items:
        for platform, fee in FEES.items():
            base = Decimal(item["product"]["price"] * dice.between(85, 120)) / 100
            listed = item["status"] == f"listed_{platform}"
            lowest = cents(base)
            rows.append([new_id("market", f"{item['id']}/{platform}"), item["id"], platform,
                         new_id("external listing", item["id"]) if listed else None,
                         Decimal(item["product"]["price"]) if listed else None, lowest, cents(base * dice.between(70, 95) / 100),
                         cents(base * dice.between(85, 110) / 100) if dice.below(5) else None, dice.below(60),
                         Decimal(dice.below(3500)) / 10_000 if dice.below(4) else None, Decimal(fee),
                         {"currency_code": "EUR", "listing_status": "ACTIVE" if listed else "INACTIVE"}, IMPORTED, IMPORTED])
    insert("products.marketplace_data", ["id uuid", "inventory_item_id uuid", "platform text", "marketplace_listing_id text",
                                         "ask_price numeric", "market_lowest_ask numeric", "market_highest_bid numeric",
                                         "last_sale_price numeric", "sales_frequency integer", "volatility numeric",
                                         "fees_percentage numeric", "platform_specific jsonb", "created_at timestamptz",
                                         "updated_at timestamptz"], rows)


def sales(history):
    insert("transactions.transactions",
           ["id uuid", "inventory_id uuid", "platform text", "transaction_date timestamptz", "sale_price numeric", "platform_fee numeric",
            "shipping_cost numeric", "net_profit numeric", "status text", "external_id text", "buyer_destination_country text",
            "buyer_destination_city text", "notes text", "created_at timestamptz", "updated_at timestamptz"],
           [[s["id"], s["item_id"], "stockx", s["sold_at"], s["price"], s["fee"], Decimal("0.00"), s["legacy_net_profit"], "completed",
             "stockx_" + s["number"], s["country"], s["city"],
             "StockX sales report" if s["is_reported"] else "Imported from a spreadsheet", s["sold_at"], IMPORTED]
            for s in history.sales])
    insert("transactions.orders",
           ["id uuid", "inventory_item_id uuid", "stockx_order_number text", "status text", "currency_code text", "sold_at timestamptz",
            "gross_sale numeric", "net_proceeds numeric", "gross_profit numeric", "net_profit numeric", "roi numeric",
            "payout_received boolean", "shelf_life_days integer", "raw_data jsonb", "created_at timestamptz", "updated_at timestamptz"],
           # Notion has no true gross: gross_sale is the payout, like net_proceeds.
           [[o["id"], o["item_id"], o["sale"]["number"], "Sale completed", "EUR", o["sold"], o["net_sale"], o["net_sale"], o["profit"],
             o["profit"], o["roi"], True, o["days"],
             {"source": "notion", "notion_page_url": o["page"], "sale_platform": "StockX",
              "pas_metric": None if o["per_day"] is None else str(o["per_day"])}, SYNCED, SYNCED] for o in history.orders])


def expenses(history):
    dice = demo_history.Dice(48)
    kinds = [("Marketplace tools", "subscription", 29), ("Cartons and tape", "packaging", 34), ("Parcel labels", "shipping", 41),
             ("Trade fair ticket and train", "travel", 88)]
    rows = []
    for i in range(48):
        text, category, amount = kinds[i % len(kinds)]
        linked = history.sales[40 + 25 * i]["id"] if category == "shipping" else None
        rows.append([new_id("expense", i), text, Decimal(amount) + Decimal(dice.below(100)) / 100,
                     date(2024, 1, 15) + timedelta(12 * i), category, i % 16 != 3, linked])
    insert("finance.expenses", ["id uuid", "description text", "amount numeric", "expense_date date", "category text",
                                "is_business_expense boolean", "transaction_id uuid"], rows)


def defects(history):
    """Name: what is planted, and the SQL that plants it. The data step must stop and list the rows."""
    legacy, other, order = history.sales[700], history.sales[701], history.orders[10]

    def legacy_id(value):
        return f"UPDATE transactions.transactions SET external_id = {literal(value)} WHERE id = '{legacy['id']}';"

    def order_number(value):
        return f"UPDATE transactions.orders SET stockx_order_number = {literal(value)} WHERE id = '{order['id']}';"

    return {
        "empty_number": ("a legacy transaction whose external id is the prefix alone", legacy_id("stockx_")),
        "empty_external_id": ("a legacy transaction with an empty external id", legacy_id("")),
        "empty_order_number": ("an order with an empty number", order_number("")),
        "null_number": ("a legacy transaction without external id", legacy_id(None)),
        "repeated_number": ("two legacy transactions with one number", legacy_id("stockx_" + other["number"])),
        "underscore_number": ("a legacy transaction whose number contains _",
                              legacy_id("stockx_" + legacy["number"].replace("-", "_"))),
        "underscore_order_number": ("an order whose number contains _", order_number(order["sale"]["number"].replace("-", "_"))),
        "other_platform": ("a sale on alias with the number of an order of StockX",
                           "UPDATE transactions.transactions SET platform_id = (SELECT id FROM core.platforms WHERE slug = 'alias'), "
                           f"external_id = 'alias_{order['sale']['number']}' WHERE id = '{legacy['id']}';"),
        "missing_prefix": ("a legacy transaction whose external id lacks the prefix", legacy_id(legacy["number"])),
        "unknown_status": ("an order with a status that nobody knows",
                           f"UPDATE transactions.orders SET status = 'Return' WHERE id = '{order['id']}';"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defect", metavar="NAME", action="append", default=[], help="plant a defect; may be repeated")
    parser.add_argument("--list-defects", action="store_true", help="print the names of the defects")
    parser.add_argument("--report", action="store_true", help="print the StockX seller report instead of SQL")
    arguments = parser.parse_args()

    history = demo_history.History()
    known = defects(history)
    if arguments.list_defects:
        for name, (text, _) in known.items():
            print(f"{name:24} {text}")
        return 0
    for name in arguments.defect:
        if name not in known:
            parser.error(f"unknown defect '{name}'; --list-defects prints the names")
    if arguments.report:
        demo_report.write(history, sys.stdout)
        return 0

    print("-- Historical data at v2.2.1, printed by deploy/demo/generate_history.py. All names and numbers are made up.")
    print("BEGIN;")
    print("DO $$ BEGIN IF EXISTS (SELECT FROM transactions.transactions) THEN\n"
          "    RAISE EXCEPTION 'transactions.transactions has rows: the historical data is loaded already';\nEND IF; END $$;\n")
    catalog(history)
    inventory(history)
    market(history)
    sales(history)
    expenses(history)
    for name in arguments.defect:
        text, sql = known[name]
        print(f"-- Defect: {text}.\n{sql}\n")
    print("COMMIT;")
    return 0


if __name__ == "__main__":
    sys.exit(main())
