"""The StockX seller report that goes with the historical data: sales that repeat it, and new ones."""

import csv
import hashlib
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import demo_names as names
from demo_history import CENT, Dice, cents, new_id

HEADER = [
    "Seller Name", "Seller Address (Billing)", "Seller VAT Number", "Sold To Name", "Sold To address", "Sold to VAT Number",
    "Fiscal Representative Name", "Fiscal Representative Address", "StockX Destination Address", "Payout date", "Invoice Date",
    "Invoice Number", "Item", "Sku Name", "Sku Size", "Style", "Order Number", "Sale Date", "Seller Tracking Number",
    "Buyer Destination Country", "Buyer Destination City", "Buyer Tracking Number", "Quantity", "Ship From Address", "Ship To Address",
    "Seller Fee", "Seller Fee Currency", "Payment Processing", "Payment Processing Currency", "Shipping Fee", "Shipping Fee Currency",
    "VAT Rate", "Total Net Amount (Payout Excluding VAT)", "Total Net Amount (Payout Excluding VAT) Currency", "Listing Price",
    "Listing Price Currency", "Total Gross Amount (Total Payout)", "Total Gross Amount (Total Payout) Currency", "Total VAT Amount",
    "Total VAT Amount Currency", "Payout ID", "Special references", "Provider Transaction ID", "Total Invoice Amount",
]
SELLER, ADDRESS = "Demo Seller", '"Demo Seller 1 Demo Street Demo City 00000 DE"'
HUB = "27 STOCKX LLC C/O StockX MP NL B.V. Veldhoven Veldhoven 5503 LS NL"
# The line break inside the quotes is part of every row.
REFERENCES = ("1) Intra-EU supply of goods in accordance with article 138 Council Directive 2006/112/EC\n"
              "2) Invoice issued by the customer (self-billing)")
REPEATED, REPEATED_PAIRS, NEW = 22, 6, 32
NEW_WITHOUT_STYLE = [
    "LEGO Back to School Set 60471", "Taschen Sneaker Archive Hardcover Book", "KAWS Holiday Space Figure", "Telfar Circle Bag Yellow"]
NEW_PRODUCTS = [
    ("Nike Dunk Low Demo Sky", "9.5", "ZX4410-120"), ("adidas Samba OG Demo Night", "10", "ZQ7712"), ("Telfar x Eastpak Shopper Small", "N/A", "EK0B7SHP-S02"),
    ("ASICS Gel-NYC Demo Grey (Women's)", "7.5W", "1203A900-021"), ("New Balance 1906R Demo Silver", "11", "M1906RZZ"),
    ("Crocs Classic Clog Demo Kids", "6C", "209990-90H"), ("Nike Air Force 1 Low Demo (GS)", "4.5Y", "ZV1188-100"),
    ("Fear of God Essentials Tee Demo", "M", "125ZZ244"), ("Salomon XT-6 Demo Trail", "43", "L47990100")]


def number_text(value):
    """1.50 as 1.5 and 69.00 as 69, as the report writes them."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stamp(moment):
    return f"{moment:%Y-%m-%d %H:%M:%S} +00"


def repeated_sales(history, dice):
    """Sales of the reported years: 2 with a missing fee, 6 of the Notion orders, the others as they are."""
    plain = [s for s in history.sales if s["is_reported"] and not s["is_pair"] and s["sold_at"].year >= 2024]
    missing = [s for s in history.sales if s["fee_missing"] and s["sold_at"].year == 2023]
    chosen = dice.shuffled(plain)[:REPEATED - 2] + dice.shuffled(missing)[:2] + history.sales[:39:7][:REPEATED_PAIRS]
    return [dict(item=s["product"]["name"], style=s["product"]["sku"] if s["product"]["has_style"] else "N/A",
                 size="N/A" if s["size"]["value"] == "One Size" else s["size"]["value"],
                 **{k: s[k] for k in ("number", "sold_at", "price", "fee", "processing", "shipping", "payout", "fee_missing", "country",
                                      "city")}) for s in chosen]


def new_sales(history, dice):
    """Sales after the history: some of items in stock, some of products that the catalog does not know yet."""
    stock = [i for i in history.items if i["status"] in ("in_stock", "listed_stockx") and i["product"]["has_style"]
             and i["size"]["value"] != "One Size"]
    goods = [(i["product"]["name"], i["size"]["value"], i["product"]["sku"], i["product"]["price"]) for i in dice.shuffled(stock)[:15]]
    goods += [(name, size, style, dice.between(45, 220)) for name, size, style in NEW_PRODUCTS]
    goods += [(name, "N/A", "N/A", dice.between(40, 160)) for name in NEW_WITHOUT_STYLE]
    goods += goods[-4:]
    used = {s["number"] for s in history.sales}
    result = []
    for i, (item, size, style, usual) in enumerate(goods[:NEW]):
        number = f"{dice.digits(8)}-{dice.digits(8)}"
        assert number not in used
        used.add(number)
        price = Decimal(usual)
        fee, processing = max(Decimal("5.00"), cents(price * 8 / 100)), cents(price * 3 / 100)
        shipping = Decimal(dice.pick(["0.00", "0.83", "1.25", "1.67", "2.49", "5.00"]))
        country, city = ("United States", dice.pick(names.US_CITIES)) if dice.below(3) else dice.pick(names.COUNTRIES)
        sale = dict(item=item, size=size, style=style, number=number, price=price, fee=fee, processing=processing, shipping=shipping,
                    payout=price - fee - processing - shipping, fee_missing=False, country=country, city=city,
                    sold_at=datetime(2025, 8, 1, tzinfo=timezone.utc) + timedelta(seconds=dice.below(58 * 86_400)))
        if i % 5 == 2:  # the platform rounds the payout by itself
            sale["payout"] += CENT if i % 2 else -CENT
        if i % 13 == 6:  # a part of the fees is not itemised
            sale.update(fee_missing=True, payout=price - processing - shipping - 8)
        result.append(sale)
    return result


def row(sale, dice):
    paid = sale["sold_at"] + timedelta(days=dice.pick([1, 2, 3, 4, 4, 4, 5, 6, 7, 12, 17]), seconds=dice.below(40_000))
    shipping = "" if sale["shipping"] == 0 else number_text(sale["shipping"])
    fee = "" if sale["fee_missing"] else number_text(sale["fee"])
    payout = number_text(sale["payout"])
    words = sale["item"].split()
    return [
        SELLER, ADDRESS, "DE000000000", "StockX LLC", "1046 Woodward Ave Detroit MI 48226", "NL826418247B01", "StockX Marketplace NL BV",
        "De Run 4312, 5503LN, Veldhoven, Netherlands", HUB, stamp(paid), stamp(paid), "90000077-" + sale["number"].split("-")[1],
        sale["item"], " ".join(words[-3:]), sale["size"], sale["style"], sale["number"], stamp(sale["sold_at"]),
        "TRACK" + dice.digits(8), sale["country"], sale["city"], "TRACK" + dice.digits(8) if dice.below(20) else "N/A", "1", ADDRESS, HUB,
        fee, "EUR" if fee else "N/A", number_text(sale["processing"]), "EUR", shipping, "EUR", "", payout, "EUR",
        number_text(sale["price"]), "EUR", payout, "EUR", "", "", "30" + dice.digits(5), REFERENCES,
        new_id("provider transaction", hashlib.sha256(sale["number"].encode()).hexdigest()), payout,
    ]


def write(history, out):
    dice = Dice(44)
    sales = sorted(repeated_sales(history, dice) + new_sales(history, dice), key=lambda s: (s["sold_at"], s["number"]))
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(row(sale, dice) for sale in sales)
