"""The real, anonymised StockX report: imported over gRPC, reconciled to the cent against sums made here with Decimal."""

import csv
import datetime
import decimal
import io
import unittest

from harness import REAL_REPORT, Suite, reason_of, wait_until

D = decimal.Decimal


def money(message):
    """google.type.Money as an exact Decimal."""
    return D(message.units) + D(message.nanos) / 10**9


@unittest.skipUnless(REAL_REPORT.exists(), "the real report is not part of the repository")
class RealReport(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start()
        cls.data = REAL_REPORT.read_bytes()
        cls.rows = list(csv.DictReader(io.StringIO(cls.data.decode("utf-8-sig"), newline="")))
        cls.first = cls.suite.import_report(cls.data)

    def total(self, column):
        return sum((D(row[column] or "0") for row in self.rows), D(0))

    def test_every_row_is_accepted_and_the_residuals_are_classified(self):
        self.assertEqual(len(self.rows), 564)
        self.assertEqual(self.first.row_count, 564)
        self.assertEqual(self.first.inserted_count, 564)
        self.assertEqual(self.first.quarantined_count, 0)
        self.assertEqual((self.first.itemised_count, self.first.rounded_count, self.first.unitemised_count),
                         (376, 106, 82))

    def test_totals_equal_the_file(self):
        self.assertEqual(self.total("Listing Price"), D("56169.00"))
        self.assertEqual(self.total("Total Gross Amount (Total Payout)"), D("49549.98"))
        summary = self.suite.buf_curl("orders", "lockstep.orders.v1.OrderService/SummarizeOrders",
                                      {"group_by": ["platform"]})
        self.assertEqual(len(summary["totals"]), 1)
        total = summary["totals"][0]
        self.assertEqual(int(total["orderCount"]), 564)
        self.assertEqual(total["grossSale"], {"currencyCode": "EUR", "units": "56169"})
        self.assertEqual(total["netProceeds"], {"currencyCode": "EUR", "units": "49549", "nanos": 980000000})

    def test_each_fee_is_price_minus_shipping_minus_payout(self):
        stored = {}
        for line in self.suite.sql("SELECT stockx_order_number, platform_fee FROM transactions.orders").splitlines():
            number, fee = line.split("|")
            stored[number] = D(fee)
        for row in self.rows:
            # Deductions are positive; a negative one is a correction in the seller's favour.
            self.assertEqual(stored[row["Order Number"]],
                             D(row["Listing Price"]) - D(row["Shipping Fee"] or "0")
                             - D(row["Total Gross Amount (Total Payout)"]), row["Order Number"])

    def test_a_second_import_changes_nothing(self):
        before = self.suite.sql("SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM transactions.orders o")
        second = self.suite.import_report(self.data)
        self.assertEqual((second.unchanged_count, second.inserted_count, second.updated_count), (564, 0, 0))
        self.assertEqual(before, self.suite.sql("SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM transactions.orders o"))

    def test_no_personal_data_is_stored(self):
        row = self.rows[0]
        for column in ("Seller Name", "Seller Address (Billing)", "Seller VAT Number"):
            needle = row[column].strip('"').strip()
            found = self.suite.sql(
                "SELECT count(*) FROM transactions.orders o WHERE position($q$" + needle + "$q$ in o::text) > 0")
            self.assertEqual(found, "0", column)
            found = self.suite.sql(
                "SELECT count(*) FROM transactions.import_records r WHERE position($q$" + needle + "$q$ in r::text) > 0")
            self.assertEqual(found, "0", column)

    def profit_and_loss(self, start, end):
        reports = self.suite.reports()
        request = reports.request("ProfitAndLoss")
        self.fill_range(request, start, end)
        with reports.channel:
            return reports.call("ProfitAndLoss", request).statements

    def expect_statement_of(self, rows, statements):
        """One statement, with every line as the rows of the file add up to."""
        self.assertEqual([statement.currency_code for statement in statements], ["EUR"])
        statement = statements[0]
        revenue = sum(D(row["Listing Price"]) for row in rows)
        shipping = sum(D(row["Shipping Fee"] or "0") for row in rows)
        payouts = sum(D(row["Total Gross Amount (Total Payout)"]) for row in rows)
        self.assertEqual((statement.sale_count, statement.return_count), (len(rows), 0))
        self.assertEqual(money(statement.revenue), revenue)
        self.assertEqual(money(statement.shipping), shipping)
        self.assertEqual(money(statement.platform_fees), revenue - shipping - payouts)
        self.assertEqual(money(statement.memo.net_proceeds), payouts)
        # Nobody knows what the items cost and nothing was spent, so both results are what the platform paid.
        self.assertFalse(statement.HasField("cost_of_goods"))
        self.assertFalse(statement.HasField("expenses"))
        self.assertEqual(statement.missing_cost_count, len(rows))
        self.assertEqual((statement.missing_revenue_count, statement.missing_platform_fee_count,
                          statement.missing_shipping_count, statement.memo.missing_net_proceeds_count), (0, 0, 0, 0))
        self.assertEqual(money(statement.gross_result), payouts)
        self.assertEqual(money(statement.net_result), payouts)

    def test_profit_and_loss_equals_the_file(self):
        statements = self.profit_and_loss(datetime.date(2022, 1, 1), datetime.date(2026, 1, 1))
        self.expect_statement_of(self.rows, statements)

    def test_profit_and_loss_of_one_year_equals_the_file(self):
        year = [row for row in self.rows if row["Sale Date"].startswith("2023-")]
        self.assertGreater(len(year), 50)
        self.assertLess(len(year), len(self.rows))
        statements = self.profit_and_loss(datetime.date(2023, 1, 1), datetime.date(2024, 1, 1))
        self.expect_statement_of(year, statements)

    @staticmethod
    def fill_range(request, start, end):
        for field, day in ((request.start_date, start), (request.end_date, end)):
            field.year, field.month, field.day = day.year, day.month, day.day

    def test_every_sale_marks_its_item_and_reconcile_is_empty(self):
        def settled():
            return self.suite.lockstep("reconcile", check=False)

        wait_until(lambda: self.suite.sql("SELECT count(*) FROM transactions.outbox WHERE delivered_at IS NULL") == "0",
                   "all events delivered")
        done = settled()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.suite.sql("SELECT count(*) FROM products.inventory WHERE status = 'sold'"), "564")


class BadReports(unittest.TestCase):
    """What is wrong with a file is said with line and byte; what came before stays."""

    HEADER = ("Seller Name,Seller Address (Billing),Seller VAT Number,Sold To Name,Sold To address,Sold to VAT Number,"
              "Fiscal Representative Name,Fiscal Representative Address,StockX Destination Address,Payout date,Invoice Date,"
              "Invoice Number,Item,Sku Name,Sku Size,Style,Order Number,Sale Date,Seller Tracking Number,"
              "Buyer Destination Country,Buyer Destination City,Buyer Tracking Number,Quantity,Ship From Address,"
              "Ship To Address,Seller Fee,Seller Fee Currency,Payment Processing,Payment Processing Currency,Shipping Fee,"
              "Shipping Fee Currency,VAT Rate,Total Net Amount (Payout Excluding VAT),"
              "Total Net Amount (Payout Excluding VAT) Currency,Listing Price,Listing Price Currency,"
              "Total Gross Amount (Total Payout),Total Gross Amount (Total Payout) Currency,Total VAT Amount,"
              "Total VAT Amount Currency,Payout ID,Special references,Provider Transaction ID,Total Invoice Amount")

    @classmethod
    def setUpClass(cls):
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.bootstrap()
        cls.suite.lockstep("upgrade", direct=True)
        cls.suite.start()

    def file(self, *rows, header=None):
        names = (header or self.HEADER).split(",")
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(names)
        for row in rows:
            values = {"Item": "Runner Grey", "Sku Size": "9", "Style": "RG-100", "Sale Date": "2024-05-01 10:00:00 +00",
                      "Payout date": "2024-05-05 10:00:00 +00", "Quantity": "1", "Seller Fee": "8.00",
                      "Seller Fee Currency": "EUR", "Payment Processing": "3.00", "Payment Processing Currency": "EUR",
                      "Shipping Fee": "0.00", "Shipping Fee Currency": "EUR", "Listing Price": "100.00",
                      "Listing Price Currency": "EUR", "Total Gross Amount (Total Payout)": "89.00",
                      "Total Gross Amount (Total Payout) Currency": "EUR", "Buyer Destination Country": "France", **row}
            writer.writerow([values.get(name, "") for name in names])
        return out.getvalue().encode()

    def refused(self, data, platform="platforms/stockx"):
        import grpc

        with self.assertRaises(grpc.RpcError) as caught:
            self.suite.import_report(data, platform=platform)
        return caught.exception

    def test_bad_rows_are_quarantined_with_reasons_and_the_others_go_on(self):
        batch = self.suite.import_report(self.file(
            {"Order Number": "70000001-70000001"},
            {"Order Number": "70000002-70000002", "Sale Date": ""},
            {"Order Number": "70000003-70000003", "Listing Price": "-5.00"},
            {"Order Number": "70000004-70000004", "Listing Price Currency": "XXQ"},
            {"Order Number": "70000001-70000001"},
            {"Order Number": "70000006-70000006"}))
        self.assertEqual((batch.row_count, batch.inserted_count, batch.quarantined_count), (6, 2, 4))
        imports = self.suite.imports()
        with imports.channel:
            request = imports.request("ListImportRecords")
            request.parent = batch.name
            records = imports.call("ListImportRecords", request)
        self.assertEqual(sum(1 for record in records.records if record.problems), 4)

    def test_a_wrong_header_refuses_the_file_and_names_what_is_missing(self):
        error = self.refused(self.file({"Order Number": "1"}, header=self.HEADER.replace("Order Number", "Number")))
        self.assertEqual(error.code().name, "INVALID_ARGUMENT")
        self.assertIn("Order Number", error.details())

    def test_a_wrong_encoding_refuses_the_file(self):
        error = self.refused(self.file({"Order Number": "70000009-70000009"}).replace(b"France", b"Fran\xe7e"))
        self.assertEqual(error.code().name, "INVALID_ARGUMENT")

    def test_broken_quoting_ends_the_batch_with_line_and_byte(self):
        data = self.file({"Order Number": "70000011-70000011"}) + b'"x"y,1\r\n'
        error = self.refused(data)
        self.assertEqual(error.code().name, "INVALID_ARGUMENT")
        self.assertIn("CSV_QUOTING_BROKEN", reason_of(error))
        self.assertIn("line 3", error.details())

    def test_an_unknown_platform_is_refused(self):
        error = self.refused(self.file({"Order Number": "70000012-70000012"}), platform="platforms/nowhere")
        self.assertEqual((error.code().name, reason_of(error)), ("INVALID_ARGUMENT", "PLATFORM_UNKNOWN"))


if __name__ == "__main__":
    unittest.main()
