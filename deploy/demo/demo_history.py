"""The historical data set as values: the same on every machine and in every run. Printing is left to the callers."""

import hashlib
import json
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

import demo_names as names

PRODUCTS = 507  # the smallest number near 500 at which the five brand shares come out to a tenth of a percent
LEGACY_SALES = 1309
REPORT_SALES = 1127  # of them in the years of StockX sales reports; the others were written by older importers
SALE_DAYS = 706
ITEMS = 2000
US_SALES = 877  # 67.0 %
PAIR_PRICES = Decimal("3810.00")
CENT = Decimal("0.01")
SPACE = uuid.UUID("6f1d3f0e-9a52-5c7e-8d0b-2f6a4b7c9e10")
FIRST_REPORT_DAY, LAST_REPORT_DAY = date(2022, 7, 7), date(2025, 6, 30)
FIRST_DAY, LAST_DAY = date(2020, 6, 2), date(2025, 7, 31)
# Months of the early years without a sale; with them 54 of 62 months have one.
EMPTY_MONTHS = {(2020, 9), (2020, 10), (2021, 1), (2021, 4), (2021, 5), (2021, 9), (2022, 2), (2022, 4)}


class Dice:
    """splitmix64: the same numbers whatever the version of Python."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        return z ^ (z >> 31)

    def below(self, n):
        return self.next() % n

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def pick(self, values):
        return values[self.below(len(values))]

    def shuffled(self, values):
        values = list(values)
        for i in range(len(values) - 1, 0, -1):
            j = self.below(i + 1)
            values[i], values[j] = values[j], values[i]
        return values

    def digits(self, n):
        return str(self.between(10 ** (n - 1), 10**n - 1))


def new_id(kind, key):
    return str(uuid.uuid5(SPACE, f"{kind}/{key}"))


def cents(value):
    """Half away from zero, once."""
    return value.quantize(CENT, ROUND_HALF_UP)


def net_of(gross, rate):
    """F1, unrounded."""
    return gross / (1 + rate / 100)


def german_vat(day):
    return Decimal("16.00") if date(2020, 7, 1) <= day <= date(2020, 12, 31) else Decimal("19.00")


def slug(text):
    return text.lower().replace("&", "and").replace("?", "").replace(".", "").replace(" ", "-")


class History:
    """Builds everything on construction; every list keeps its order."""

    def __init__(self):
        self.dice = Dice(20251001)
        self._catalog()
        self._sales()
        self._notion()
        self._items()
        self._check()

    # -- catalog ------------------------------------------------------------------------------------------------------

    def _catalog(self):
        self.brands = [dict(id=new_id("brand", n), name=n, slug=slug(n), segment=s, price_tier=t, target_demographic=d,
                            is_collaboration=c, parent_brand_id=new_id("brand", p) if p else None)
                       for n, s, t, d, c, p in names.BRANDS]
        self.categories = [dict(id=new_id("category", n), name=n, slug=slug(n), parent_id=new_id("category", p) if p else None,
                                path=f"{p}/{n}" if p else n) for n, p in names.CATEGORIES]
        self.sizes = [dict(id=new_id("size", f"{r}/{v}"), value=v, standardized_value=n, region=r) for v, r, n in names.sizes()]
        self.patterns = [dict(id=new_id("pattern", p), brand_id=new_id("brand", b), pattern_type=t, pattern=p, priority=n)
                         for p, t, b, n in names.BRAND_PATTERNS]
        self.suppliers = []
        for category, count, stem in names.SUPPLIER_CATEGORIES:
            for i in range(1, count + 1):
                city = names.SUPPLIER_CITIES[len(self.suppliers) % len(names.SUPPLIER_CITIES)]
                country, rate = names.COUNTRY_OF_CITY.get(city, ("Germany", "19.00"))
                name = f"{stem} {city} {i}"
                self.suppliers.append(dict(
                    id=new_id("supplier", name), name=name, slug=slug(name), city=city, country=country, vat_rate=Decimal(rate),
                    supplier_type="manufacturer" if category == "direct_brands" else "individual" if category is None else "retailer",
                    supplier_category=category, return_policy_days=self.dice.pick([14, 30, 60])))
        self._products()

    def _products(self):
        counts = {b: round(PRODUCTS * share / 100) for b, share in names.BRAND_SHARES.items()}
        others = [b[0] for b in names.BRANDS if b[0] not in counts]
        for i in range(PRODUCTS - sum(counts.values())):
            counts[others[i % len(others)]] = counts.get(others[i % len(others)], 0) + 1
        self.products = []
        for brand in (b[0] for b in names.BRANDS):
            models = names.MODELS.get(brand, [(f"{brand} Trail Runner", "Sneakers", 100)])
            for i in range(counts[brand]):
                model, category, price = models[i % len(models)]
                colour = names.COLOURS[(i // len(models) + 5 * self.categories_index(category)) % len(names.COLOURS)]
                name = f"{model} {colour}"
                # About 11 % of the names come without a style; their SKU is made from the name.
                has_style = self.dice.below(100) >= 11
                sku = self._style(brand) if has_style else "stockx-item-" + hashlib.sha256(name.encode()).hexdigest()[:12]
                self.products.append(dict(
                    id=new_id("product", name), sku=sku, name=name, brand=brand, category=category, has_style=has_style,
                    price=max(20, price * self.dice.between(75, 135) // 100)))

    def categories_index(self, category):
        return [c[0] for c in names.CATEGORIES].index(category)

    def _style(self, brand):
        letters = "ABCDFGHJKLMNPRSTVWX"
        if brand in ("Nike", "Jordan", "Nike x Off-White", "Converse"):
            return f"{self.dice.pick(letters)}{self.dice.pick(letters)}{self.dice.digits(4)}-{self.dice.between(0, 999):03d}"
        if brand == "ASICS":
            return f"1201A{self.dice.between(0, 999):03d}-{self.dice.between(0, 999):03d}"
        return f"{self.dice.pick(letters)}{self.dice.pick(letters)}{self.dice.digits(4)}"

    def size_for(self, product):
        """A size that fits the category; One Size where there is none."""
        if product["category"] == "Apparel":
            return self.dice.pick([s for s in self.sizes if s["value"] in ("XS", "S", "M", "L", "XL", "XXL")])
        if product["category"] in ("Accessories", "Collectibles", "Toys"):
            return next(s for s in self.sizes if s["value"] == "One Size")
        roll = self.dice.below(100)
        if roll < 72:
            return self.dice.pick([s for s in self.sizes if s["region"] == "US" and s["value"].replace(".", "").isdigit()
                                   and Decimal(s["value"]) <= 14])
        suffix = "W" if roll < 84 else "Y" if roll < 92 else "C" if roll < 96 else ""
        if suffix:
            return self.dice.pick([s for s in self.sizes if s["value"][-1] == suffix and s["value"][:-1].replace(".", "").isdigit()])
        return self.dice.pick([s for s in self.sizes if s["region"] == "EU"])

    # -- legacy sales -------------------------------------------------------------------------------------------------

    def _number(self, used):
        while True:
            roll = self.dice.below(100)
            if roll < 70:
                number = f"{self.dice.digits(8)}-{self.dice.digits(8)}"
            elif roll < 90:
                number = f"{self.dice.digits(9)}-{self.dice.digits(9)}"
            else:
                tail = "".join(self.dice.pick("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(10))
                number = ("02-" if roll < 95 else "06-") + tail
            if number not in used:
                used.add(number)
                return number

    def _moment(self, day):
        return datetime(day.year, day.month, day.day, self.dice.below(24), self.dice.below(60), self.dice.below(60),
                        tzinfo=timezone.utc)

    def _days(self, pair_days):
        """706 days: 570 in the years of reports, 131 before, 5 after; the days of the pairs are among them."""

        def choose(count, first, last, fixed):
            days = [first + timedelta(n) for n in range((last - first).days + 1)]
            days = [d for d in days if (d.year, d.month) not in EMPTY_MONTHS and d not in fixed]
            # Every month is there: one day each first, then any.
            chosen, months = set(fixed), {(d.year, d.month) for d in fixed}
            for day in self.dice.shuffled(days):
                if (day.year, day.month) not in months:
                    months.add((day.year, day.month))
                    chosen.add(day)
            for day in self.dice.shuffled(days):
                if len(chosen) == count:
                    break
                chosen.add(day)
            return sorted(chosen)

        early = choose(131, FIRST_DAY, FIRST_REPORT_DAY.replace(day=1) - timedelta(1), {FIRST_DAY})
        late = choose(5, LAST_REPORT_DAY + timedelta(1), LAST_DAY, {LAST_DAY})
        report = choose(SALE_DAYS - len(early) - len(late), FIRST_REPORT_DAY, LAST_REPORT_DAY,
                        {FIRST_REPORT_DAY, LAST_REPORT_DAY} | set(pair_days))
        return early, report, late

    def _sales(self):
        records = [line.split() for line in names.NOTION_RECORDS.strip().splitlines()]
        self.records = [r for r in records if r[5] != "-"]
        pair_days = []
        for i, record in enumerate(self.records):
            # Notion's date equals that of StockX in three of four sales; otherwise it is up to nine days later. Nothing
            # is sold before the day of its purchase.
            shift = self.dice.between(1, 9) if i % 4 == 3 else 0
            bought, noted = date.fromisoformat(record[3]), date.fromisoformat(record[4])
            pair_days.append(max(bought, noted - timedelta(shift)))
        early, report, late = self._days(pair_days)
        days = pair_days + [d for d in report if d not in set(pair_days)]
        days += [self.dice.pick(report) for _ in range(REPORT_SALES - len(days))]
        older = early + late
        days += older + [self.dice.pick(older) for _ in range(LEGACY_SALES - REPORT_SALES - len(older))]

        # The fee of some sales of 2022 and 2023 is missing in the reports.
        blanks = {i for i in self.dice.shuffled(i for i, d in enumerate(days) if 38 < i < REPORT_SALES and d.year == 2022)[:92]}
        blanks |= {i for i in self.dice.shuffled(
            i for i, d in enumerate(days) if 38 < i < REPORT_SALES and d.year == 2023 and d.month < 7)[:57]}
        us = set(self.dice.shuffled(range(LEGACY_SALES))[:US_SALES])
        abroad = list(names.COUNTRIES)
        used = set()
        self.sales = []
        for i, day in enumerate(days):
            product = self.dice.pick(self.products)
            price = Decimal(min(484, max(20, product["price"] * self.dice.between(65, 110) // 100)))
            if i in us:
                country, city = "United States", self.dice.pick(names.US_CITIES)
            else:
                # Each country once, then the frequent ones more often.
                country, city = abroad.pop(0) if abroad else names.COUNTRIES[
                    min(self.dice.below(43), self.dice.below(43), self.dice.below(43))]
            self.sales.append(dict(
                id=new_id("legacy", i), index=i, is_pair=i < 39, is_reported=i < REPORT_SALES, product=product,
                size=self.size_for(product), sold_at=self._moment(day), price=price, number=self._number(used),
                country=country, city=city, fee_missing=i in blanks))
        self._pair_prices()
        # The worked example of the wrong formula for net proceeds: 191.00 at 7 %, stored profit 0.00.
        example = next(s for s in self.sales if s["index"] > 38 and s["is_reported"] and s["sold_at"].date() > date(2024, 7, 1))
        example.update(price=Decimal(191), fee_percent=Decimal(7))
        for sale in self.sales:
            self._fees(sale)

    def _pair_prices(self):
        """Whole prices of the 39 whose sum is 3,810.00, each with a plausible shipping charge behind the known payout."""
        choices = []
        for record in self.records:
            payout = Decimal(record[2])
            fitting = []
            for price in range(int(payout) + 1, int(payout * 2) + 12):
                for percent in ("9", "8.5", "8", "7.5", "7"):
                    fee = max(Decimal(5), cents(price * Decimal(percent) / 100))
                    shipping = price - fee - cents(price * Decimal(3) / 100) - payout
                    if Decimal("0.10") <= shipping <= Decimal("5.03"):
                        fitting.append((Decimal(price), Decimal(percent)))
                        break
            choices.append(fitting)
        chosen = [len(f) // 2 for f in choices]
        order = self.dice.shuffled(range(len(choices)))
        turn = 0
        while True:
            total = sum(choices[i][chosen[i]][0] for i in range(len(choices)))
            if total == PAIR_PRICES:
                break
            i = order[turn % len(order)]
            turn += 1
            step = 1 if total < PAIR_PRICES else -1
            if 0 <= chosen[i] + step < len(choices[i]):
                moved = choices[i][chosen[i] + step][0] - choices[i][chosen[i]][0]
                if abs(total + moved - PAIR_PRICES) < abs(total - PAIR_PRICES):
                    chosen[i] += step
        for sale, record, fitting, at in zip(self.sales, self.records, choices, chosen):
            sale["price"], sale["fee_percent"] = fitting[at]
            sale["payout"] = Decimal(record[2])

    def _fees(self, sale):
        """What StockX kept. The legacy importer stored the commission only, and a payout only before the reports."""
        price, year = sale["price"], sale["sold_at"].year
        percent = sale.get("fee_percent") or Decimal({2020: "9", 2021: "8.5", 2022: "6.5", 2023: "8"}.get(year, "8"))
        fee = cents(price * percent / 100)
        if sale["sold_at"] >= datetime(2023, 7, 1, tzinfo=timezone.utc):
            fee = max(Decimal("5.00"), fee)
        processing = cents(price * 3 / 100)
        if sale["fee_missing"]:
            sale.update(fee=Decimal("0.00"), processing=processing, shipping=Decimal("0.00"), payout=price - processing - 8)
        elif "payout" in sale:
            sale.update(fee=fee, processing=processing, shipping=price - fee - processing - sale["payout"])
        else:
            shipping = Decimal(self.dice.pick(["0.00", "0.83", "1.25", "1.67", "2.49", "5.00"]))
            sale.update(fee=fee, processing=processing, shipping=shipping, payout=price - fee - processing - shipping)
        sale["legacy_net_profit"] = Decimal("0.00") if sale["is_reported"] else sale["payout"]

    # -- Notion orders and items --------------------------------------------------------------------------------------

    def _notion(self):
        """The 39 orders of the sync, each with an item of its own beside that of the legacy row."""
        self.orders = []
        rate = Decimal("19.00")
        for sale, record in zip(self.sales, self.records):
            gross, net_sale = Decimal(record[1]), Decimal(record[2])
            bought, sold = date.fromisoformat(record[3]), date.fromisoformat(record[4])
            net = cents(net_of(gross, rate))
            profit, days = net_sale - net, (sold - bought).days
            roi = cents((net_sale - net_of(gross, rate)) / net_of(gross, rate) * 100)
            assert (str(profit), str(roi), str(days)) == tuple(record[5:8]), f"record {record[0]}: {profit} {roi} {days}"
            page = f"https://www.notion.so/{hashlib.sha256(sale['number'].encode()).hexdigest()[:32]}"
            self.orders.append(dict(
                id=new_id("order", record[0]), sale=sale, item_id=new_id("item", f"notion/{record[0]}"), gross_buy=gross, net_buy=net,
                net_sale=net_sale, profit=profit, roi=roi, days=days, bought=bought, sold=sold, page=page,
                per_day=cents(profit / days) if days else None))

    def _items(self):
        self.items = []
        for sale in self.sales:
            self.items.append(self._sold_item(sale))
            sale["item_id"] = self.items[-1]["id"]
        for order in self.orders:
            sale = order["sale"]
            self.items.append(dict(
                id=order["item_id"], product=sale["product"], size=sale["size"], supplier=self.dice.pick(self.suppliers), status="sold",
                purchase_price=order["net_buy"], gross_purchase_price=order["gross_buy"], vat_amount=order["gross_buy"] - order["net_buy"],
                vat_rate=Decimal("19.00"), purchase_date=order["bought"], delivery_date=order["bought"] + timedelta(self.dice.between(1, 4)),
                shelf_life_days=order["days"], profit_per_shelf_day=order["per_day"], roi_percentage=order["roi"],
                sale_overview=f"Sold on StockX for {order['net_sale']}", location="StockX", detailed_status="sale_completed",
                external_ids={"stockx_order_number": sale["number"], "notion_page_url": order["page"]},
                created_at=datetime(2025, 9, 30, 18, 0, tzinfo=timezone.utc)))
        stock = ["listed_stockx"] * 40 + ["listed_alias"] * 12 + ["listed_ebay"] * 5 + ["listed_goat"] * 3
        stock += ["reserved"] * 6 + ["presale"] * 10 + ["preorder"] * 8
        stock += ["in_stock"] * (ITEMS - len(self.items) - len(stock))
        for i, status in enumerate(self.dice.shuffled(stock)):
            self.items.append(self._stock_item(i, status))

    def _purchase(self, item, gross, day, verified):
        rate = german_vat(day)
        item.update(purchase_price=cents(net_of(gross, rate)), purchase_date=day)
        if verified:
            item.update(gross_purchase_price=gross, vat_amount=gross - item["purchase_price"], vat_rate=rate)

    def _sold_item(self, sale):
        item = dict(id=new_id("item", f"legacy/{sale['index']}"), product=sale["product"], size=sale["size"], status="sold",
                    external_ids={"stockx_order_number": sale["number"]}, created_at=sale["sold_at"])
        # The purchase of a pair is known from Notion and belongs to that item; of others it was recorded three times in four.
        if not sale["is_pair"] and self.dice.below(4):
            supplier = self.dice.pick(self.suppliers)
            item.update(supplier=supplier)
            day = sale["sold_at"].date() - timedelta(self.dice.between(0, 100))
            gross = cents(sale["price"] * self.dice.between(55, 95) / 100) - CENT
            self._purchase(item, gross, day, verified=self.dice.below(2) == 0)
            item["delivery_date"] = day + timedelta(self.dice.between(1, 6))
        return item

    def _stock_item(self, i, status):
        product = self.dice.pick(self.products)
        day = LAST_DAY - timedelta(self.dice.between(1, 300))
        item = dict(id=new_id("item", f"stock/{i}"), product=product, size=self.size_for(product), status=status,
                    supplier=self.dice.pick(self.suppliers), external_ids={}, created_at=self._moment(day),
                    listed_stockx=status == "listed_stockx", listed_alias=status == "listed_alias")
        if i % 55:
            self._purchase(item, Decimal(product["price"]) * self.dice.between(60, 90) / 100, day, verified=self.dice.below(3) > 0)
            for key in ("purchase_price", "gross_purchase_price", "vat_amount"):
                item[key] = cents(item[key]) if item.get(key) is not None else None
        else:
            item["purchase_date"] = day
        arrived = status not in ("presale", "preorder")
        item["detailed_status"] = "available" if arrived else "incoming"
        if arrived:
            item.update(delivery_date=day + timedelta(self.dice.between(1, 6)), location=self.dice.pick(["Local", "Local", "Reshipper"]))
        return item

    # -- proof --------------------------------------------------------------------------------------------------------

    def _check(self):
        """The figures that the data set is known by."""
        days = {s["sold_at"].date() for s in self.sales}
        months = {(d.year, d.month) for d in days}
        pairs = self.sales[:39]
        facts = [
            (len(self.sales), LEGACY_SALES), (len(days), SALE_DAYS), (len(months), 54), (min(days), FIRST_DAY), (max(days), LAST_DAY),
            (len({s["number"] for s in self.sales}), LEGACY_SALES), (sum(s["price"] for s in pairs), PAIR_PRICES),
            (sum(o["gross_buy"] for o in self.orders), Decimal("3513.04")), (sum(o["net_buy"] for o in self.orders), Decimal("2952.12")),
            (sum(o["net_sale"] for o in self.orders), Decimal("3371.30")), (sum(o["profit"] for o in self.orders), Decimal("419.18")),
            (cents(sum(o["roi"] for o in self.orders) / 39), Decimal("15.22")),
            (cents(Decimal(sum(o["days"] for o in self.orders)) / 39), Decimal("21.77")),
            (len({s["country"] for s in self.sales}), 44), (len(self.items), ITEMS), (len({i["id"] for i in self.items}), ITEMS),
            (len({p["name"] for p in self.products}), PRODUCTS), (len({p["sku"] for p in self.products}), PRODUCTS),
            (len({i["id"] for i in self.items if i["status"] == "sold"}), LEGACY_SALES + 39),
        ]
        for found, expected in facts:
            assert found == expected, f"{found} instead of {expected}"


def to_json(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
