"""100,000 new rows through ImportService with catalog in the loop: rows per second and the orders process's peak memory."""

import csv
import datetime
import io
import pathlib
import time

from figures import spread
from harness import SOURCE, Suite

ROWS = 100_000
ROUNDS = 3


def header():
    with open(SOURCE / "deploy/demo/stockx_sample.csv", newline="") as sample:
        return next(csv.reader(sample))


def report(names):
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    start = datetime.datetime(2021, 1, 1)
    for number in range(ROWS):
        sold = start + datetime.timedelta(minutes=20 * number)
        price = 60 + number % 200
        values = {
            "Item": f"Runner Model {number % 621}", "Sku Name": "Grey", "Sku Size": str(6 + number % 9),
            "Style": f"RM{number % 621:04d}-100", "Order Number": f"{10_000_000 + number}-{20_000_000 + number}",
            "Sale Date": f"{sold:%Y-%m-%d %H:%M:%S} +00", "Payout date": f"{sold + datetime.timedelta(days=4):%Y-%m-%d %H:%M:%S} +00",
            "Quantity": "1", "Buyer Destination Country": "United States", "Buyer Destination City": "new york",
            "Seller Fee": f"{price * 8 / 100:.2f}", "Seller Fee Currency": "EUR",
            "Payment Processing": f"{price * 3 / 100:.2f}", "Payment Processing Currency": "EUR",
            "Shipping Fee": "0.00", "Shipping Fee Currency": "EUR", "Listing Price": f"{price:.2f}",
            "Listing Price Currency": "EUR", "Total Gross Amount (Total Payout)": f"{price * 89 / 100:.2f}",
            "Total Gross Amount (Total Payout) Currency": "EUR", "Seller Address (Billing)": '"Street\nCity"',
        }
        writer.writerow([values.get(name, "") for name in names])
    return out.getvalue().encode()


def peak_megabytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


data = report(header())
rates, peaks = [], []
for _ in range(ROUNDS):
    with Suite() as suite:
        suite.bootstrap()
        suite.lockstep("upgrade", direct=True)
        suite.start()
        start = time.monotonic()
        batch = suite.import_report(data)
        elapsed = time.monotonic() - start
        assert batch.inserted_count == ROWS, batch
        rates.append(ROWS / elapsed)
        peaks.append(peak_megabytes(suite.processes["orders"].pid))
print(f"import of {ROWS} rows ({len(data) / 1e6:.0f} MB): {spread(rates, 'rows/s', 0)} (bar 5000)")
print(f"peak memory of the orders process: {spread(peaks, 'MB', 1)} (bar 150)")
