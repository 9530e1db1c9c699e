"""Every verb of `lockstep` against the running suite and, where it makes sense, with --direct: output, JSON, exit codes.

The services start before their revisions are applied, the upgrade goes through the migration service, and then each
verb is asked. Verbs that change more than that are in changing_verbs_test.py.
"""

import json
import pathlib
import re
import shutil
import tempfile
import threading
import time
import unittest

from harness import MIGRATIONS, SERVICES, SOURCE, Suite, psql, wait_until

FAILED, USAGE, DRIFT, PENDING, BLOCKED, IN_PROGRESS, UNREACHABLE, HISTORY = 1, 2, 3, 4, 5, 6, 9, 10
SAMPLE = SOURCE / "deploy" / "demo" / "stockx_sample.csv"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def rows_of(table):
    """The lines of a printed table as lists of cells, without the header."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[1:]]


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="lockstep-verbs-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.migrations = pathlib.Path(cls.folder.name) / "migrations"
        shutil.copytree(MIGRATIONS, cls.migrations)
        cls.suite = Suite().__enter__()
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.bootstrapped = cls.suite.lockstep("bootstrap", "--direct", cls.suite.url(), "--json")
        cls.suite.start("migration", env={"LOCKSTEP_ADMIN_URL": cls.suite.url(),
                                          "LOCKSTEP_MIGRATIONS_DIR": str(cls.migrations)})
        cls.suite.start("catalog", "orders", "finance", wait=False)
        # Whoever is in the registry has been told that its revision is not applied.
        for service in ("catalog", "orders", "finance"):
            wait_until(lambda: cls.suite.health(service), f"{service} answers")
            wait_until(lambda: service in cls.suite.lockstep("instances").stdout, f"{service} registers")
        cls.early = {service: cls.suite.health(service, "readiness") for service in SERVICES}
        cls.early_instances = cls.suite.lockstep("instances").stdout
        cls.early_doctor = cls.suite.lockstep("doctor", check=False)
        cls.waited = []
        waiting = threading.Thread(target=lambda: cls.waited.append(
            cls.suite.lockstep("wait", "--service", "orders", "--timeout", "60", "--json")))
        waiting.start()
        cls.suite.lockstep("upgrade", "v2.2.1")
        cls.suite.load_history()
        cls.upgrade = cls.suite.lockstep("upgrade")
        cls.upgraded_at = time.monotonic()
        for service in ("catalog", "orders", "finance"):
            cls.suite.await_ready(service, seconds=10)
        cls.ready_after = time.monotonic() - cls.upgraded_at
        waiting.join()
        cls.imported = cls.suite.lockstep("orders", "import", "--platform", "stockx", SAMPLE)

    def lockstep(self, *args, **options):
        return self.suite.lockstep(*args, env={"LOCKSTEP_MIGRATIONS_DIR": str(self.migrations)}, **options)

    def both(self, *args, code=0):
        """Text and JSON of the service and of --direct, which say the same."""
        texts, documents = [], []
        for direct in (False, True):
            done = self.lockstep(*args, direct=direct, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            texts.append(done.stdout)
            done = self.lockstep("--json", *args, direct=direct, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            documents.append(json.loads(done.stdout))
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(documents[0], documents[1])
        return texts[0], documents[0]

    def refused(self, *args, code, reason, **options):
        done = self.lockstep("--json", *args, check=False, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(json.loads(done.stdout)["error"]["reason"], reason)
        self.assertIn(f"({reason})", done.stderr)
        return done

    def test_lint_knows_the_live_catalog(self):
        file = pathlib.Path(self.folder.name) / "index.sql"
        file.write_text("CREATE INDEX orders_notes ON transactions.orders (notes);\n")
        text, document = self.both("lint", "--live", file)
        # 1,341 orders are few: a note, where an unknown table would be an error.
        self.assertRegex(text, r"index.sql:1:1: note L01 index-not-concurrent: .* \(about 1,3\d\d rows\)")
        self.assertIn("L01", [finding["rule"] for finding in document["findings"]])

    def test_drift_tells_what_nobody_told_it(self):
        self.assertEqual(self.lockstep("drift", check=False).returncode, 0)
        self.suite.sql("CREATE INDEX stray ON transactions.orders (notes)")
        for direct in (False, True):
            done = self.lockstep("drift", "--sql", direct=direct, check=False)
            self.assertEqual(done.returncode, DRIFT, done.stderr)
            self.assertEqual(done.stdout.splitlines(), ["usual orders index transactions.stray is not expected",
                                                        "DROP INDEX CONCURRENTLY transactions.stray;"])
        self.suite.sql("DROP INDEX transactions.stray")
        self.assertEqual(self.lockstep("drift", check=False).returncode, 0)

    def test_rehearse_says_when_there_is_nothing(self):
        self.assertEqual(self.lockstep("rehearse").stdout, "nothing to rehearse\n")

    def test_plan_measures_before_it_plans(self):
        done = self.lockstep("plan", "head", "--measure")
        self.assertTrue(done.stdout.startswith("nothing to do"), done.stdout)
        self.assertIn("measuring on a scratch database", done.stderr)
        self.assertEqual(self.lockstep("plan", "base", "--down", "--measure", check=False).returncode, 2)

    def test_lint_looks_at_what_comes_next(self):
        _, document = self.both("lint")
        self.assertEqual(document, {"findings": [], "statement_count": 0, "unreadable_file_count": 0})

    def test_bootstrap_says_what_it_made(self):
        first = json.loads(self.bootstrapped.stdout)
        self.assertTrue(any("lockstep_migrator" in line or "ledger" in line for line in first["done"]), first)
        again = self.suite.lockstep("bootstrap", "--direct", self.suite.url(), "--json")
        self.assertEqual(json.loads(again.stdout), {"done": [], "ledger_version": first["ledger_version"]})
        self.assertIn("nothing to do", again.stderr)
        self.refused("bootstrap", code=USAGE, reason="FLAG_REQUIRED")

    def test_services_serve_only_when_their_revision_is_applied(self):
        self.assertEqual(self.early, {"migration": "SERVING", "catalog": "NOT_SERVING", "orders": "NOT_SERVING",
                                      "finance": "NOT_SERVING"})
        self.assertLess(self.ready_after, 5)
        for service in SERVICES:
            self.assertEqual(self.suite.health(service, "readiness"), "SERVING")

    def test_instances(self):
        for row in rows_of(self.early_instances):
            self.assertEqual(row[4:7:2], ["live", "no"], row)
        text = self.lockstep("instances").stdout
        rows = rows_of(text)
        self.assertEqual([row[0] for row in rows], ["catalog", "finance", "orders"])
        for row in rows:
            self.assertEqual(row[3], f"127.0.0.1:{self.suite.ports[row[0]]}")
            self.assertEqual(row[4:7:2], ["live", "yes"], row)
        document = json.loads(self.lockstep("instances", "--json", direct=True).stdout)
        required = {entry["service"]: entry["required_revision"] for entry in document["instances"]}
        released = json.loads(self.lockstep("releases", "--json").stdout)["releases"][-1]
        self.assertIn(required["orders"], released["revisions"])
        self.assertTrue(all(entry["is_live"] and entry["is_ready"] for entry in document["instances"]))

    def test_doctor(self):
        self.assertEqual(self.early_doctor.returncode, FAILED)
        found = {row[1].split(" at ")[0]: row[0] for row in rows_of(self.early_doctor.stdout)}
        self.assertEqual({name: found[name] for name in SERVICES},
                         {"migration": "ok", "catalog": "bad", "orders": "bad", "finance": "bad"})
        self.assertIn("not ready", self.early_doctor.stdout)
        document = json.loads(self.lockstep("doctor", "--json").stdout)
        self.assertTrue(all(entry["ok"] for entry in document), document)
        checks = {entry["check"]: entry["found"] for entry in document}
        self.assertEqual(len(document), len(checks))
        self.assertRegex(checks["ledger"], r"^PostgreSQL \d+\.\d+, ledger version \d+, 0 pending$")
        self.assertIn("on the primary", checks["runner"])
        for check in ("leftovers", "constraints", "leases", "roles", "owners", "grants", "wraparound", "clock"):
            self.assertIn(check, checks)
        [head] = re.findall(r"^\d+ entries, head (\d+:[0-9a-f]{64})$", checks["history"])
        for direct in (False, True):
            self.assertEqual(self.lockstep("doctor", "--expect-head", head, direct=direct).returncode, 0)
            edited = self.lockstep("doctor", "--expect-head", "1:00000000", direct=direct, check=False)
            self.assertEqual(edited.returncode, HISTORY)
            self.assertIn("it does not lead to 1:00000000", edited.stdout)
        self.assertRegex(self.lockstep("doctor", direct=True).stdout, r"ok\s+ledger\s+PostgreSQL \d")

    def test_wait(self):
        self.assertEqual(json.loads(self.waited[0].stdout), {"is_applied": True})
        for direct in (False, True):
            done = self.lockstep("wait", "--service", "orders", "--revision", "84bc", direct=direct)
            self.assertIn("orders: 84bc is applied", done.stderr)
            self.refused("wait", "--service", "shipping", code=USAGE, reason="SERVICE_UNKNOWN", direct=direct)
            self.refused("wait", "--service", "orders", "--revision", "ffff", code=USAGE, reason="TARGET_UNKNOWN",
                         direct=direct)

    def test_a_service_that_is_not_there_ends_with_9(self):
        for args in (["current"], ["upgrade"], ["runs"], ["cancel", "abcd"], ["wait", "--service", "orders",
                                                                              "--timeout", "0"]):
            self.assertEqual(self.lockstep(*args, "--endpoint", "127.0.0.1:1", check=False).returncode, UNREACHABLE,
                             args)
        self.refused("orders", "list", "--orders-endpoint", "127.0.0.1:1", code=UNREACHABLE,
                     reason="SERVICE_UNREACHABLE")

    # --- where the database stands ---

    def test_current_and_heads(self):
        text, document = self.both("current")
        self.assertEqual(text.splitlines()[0], "v2.2.3")
        self.assertIn("  orders@3d8f15b6c270", text.splitlines())
        self.assertNotIn("pending", text)
        self.assertEqual(document["release"], "v2.2.3")
        text, document = self.both("heads")
        self.assertEqual(text.splitlines(), document["target_heads"])
        self.assertCountEqual(document["heads"], document["target_heads"])

    def test_releases(self):
        text, document = self.both("releases")
        self.assertEqual(rows_of(text)[-1], ["v2.2.3", "2025-10-23", "applied", "8", "Analytics over orders; legacy table dropped"])
        self.assertTrue(all(release["is_applied"] for release in document["releases"]))

    def test_show(self):
        text, document = self.both("show", "84bc")
        self.assertRegex(text, r"(?m)^84bc4d8b03ef  \S")
        self.assertRegex(text, r"(?m)^state        applied \d{4}-\d\d-\d\d .* UTC by ")
        self.assertRegex(text, r"(?m)^release      v2\.2\.2$")
        self.assertNotIn("ALTER TABLE", text)
        self.assertIn("ALTER TABLE", self.both("show", "84bc", "--sql")[0])
        self.assertEqual(document["state"], "REVISION_STATE_APPLIED")
        for direct in (False, True):
            self.refused("show", "ffff", code=USAGE, reason="TARGET_UNKNOWN", direct=direct)

    def test_status(self):
        text, document = self.both("status", "--exit-code")
        self.assertRegex(text, r"(?m)^v2\.2\.2\s+orders\s+84bc4d8b03ef\s+applied\s")
        self.assertRegex(text, r"(?m)^pending   0$")
        self.assertRegex(text, r"(?m)^lease     free$")
        self.assertRegex(text, r"(?m)^last run  \w+ ")
        self.assertEqual(document["pending"], [])
        self.assertEqual(document["definitions_problem"], "")

    def test_history(self):
        text, document = self.both("history", "--limit", "3")
        self.assertEqual(len(document["entries"]), 3)
        rows = rows_of(text)
        self.assertEqual([row[3] for row in rows], [entry["revision"] for entry in document["entries"]])
        self.assertEqual(rows[0][1], "up")
        self.assertEqual(self.lockstep("history", "--limit", "0", check=False).returncode, USAGE)

    def test_history_rebuilds_the_past(self):
        self.refused("history", "--at", "v2.0.0", "--into", "past", code=FAILED, reason="HISTORY_NEEDS_DIRECT")
        self.refused("history", "--at", "v2.0.0", code=USAGE, reason="FLAG_REQUIRED", direct=True)
        self.refused("history", "--at", "v0", "--into", "past_x", code=USAGE, reason="TARGET_UNKNOWN", direct=True)
        name = self.suite.name + "_past"
        self.lockstep("history", "--at", "v2.2.1", "--into", name, direct=True)
        try:
            url = self.suite.url().replace(self.suite.name, name)
            self.assertEqual(psql(url, "SELECT to_regclass('transactions.legacy_order_map') IS NULL,"
                                       " to_regclass('transactions.transactions') IS NOT NULL"), "t|t")
            self.refused("history", "--at", "v2.2.1", "--into", name, code=FAILED, reason="DATABASE_EXISTS", direct=True)
        finally:
            psql(self.suite.url(), f"DROP DATABASE {name}")

    # --- plans, checks, index ---

    def test_plan(self):
        self.assertEqual(self.both("plan", "head", "--exit-code")[0], "nothing to do: head is applied\n")
        text, document = self.both("plan", "v2.2.1", "--down", "--exit-code", code=PENDING)
        self.assertEqual(text.splitlines()[0], "downgrade to v2.2.1")
        self.assertIn("blocked by instance", text)
        self.assertEqual(document["target"], "v2.2.1")
        self.assertIn("84bc4d8b03ef", [entry["revision"]["id"] for entry in document["revisions"]])
        self.assertIn("instance", {blocker["kind"] for blocker in document["blockers"]})
        self.assertIn("DROP TABLE", self.both("plan", "v2.2.1", "--down", "--sql")[0])
        for direct in (False, True):
            self.refused("plan", "v9", code=USAGE, reason="TARGET_UNKNOWN", direct=direct)

    def test_verify(self):
        for direct in (False, True):
            text = self.lockstep("verify", direct=direct).stdout
            self.assertRegex(text.splitlines()[-1], r"^\d+ checks, 0 violated$")
            self.assertTrue(all(row[0] == "holds" for row in rows_of(text)[:-1]))
            document = json.loads(self.lockstep("verify", "--json", direct=direct).stdout)
            self.assertEqual(document["failed_count"], 0)
            self.assertGreater(len(document["results"]), 10)

    def test_index(self):
        for form, mark in (("md", "# "), ("html", "<h1>")):
            service = self.lockstep("index", "--format", form).stdout
            self.assertEqual(service, self.lockstep("index", "--format", form, direct=True).stdout)
            self.assertIn(mark, service)
            self.assertIn("84bc4d8b03ef", service)
            document = json.loads(self.lockstep("index", "--format", form, "--json").stdout)
            self.assertEqual(document["content"], service)
            copy = pathlib.Path(self.folder.name) / f"index.{form}"
            copy.write_text(service)
            for direct in (False, True):
                done = self.lockstep("index", "--format", form, "--check", copy, direct=direct)
                self.assertIn("is up to date", done.stderr)
            copy.write_text(service.replace("84bc4d8b03ef", "84bc4d8b03ee", 1))
            for direct in (False, True):
                self.refused("index", "--format", form, "--check", copy, code=DRIFT, reason="INDEX_OUTDATED",
                             direct=direct)
        self.refused("index", "--check", "/nowhere", code=USAGE, reason="FILE_NOT_READABLE")

    # --- runs ---

    def test_upgrade_reports_what_it_did(self):
        self.assertRegex(self.upgrade.stdout, rf"^done: \d+ steps, run {UUID}\n$")
        self.assertIn("revision 84bc4d8b03ef", self.upgrade.stderr)
        for check in range(1, 13):
            self.assertRegex(self.upgrade.stderr, rf"\bV{check}\b")
        for direct in (False, True):
            self.assertEqual(self.lockstep("upgrade", direct=direct).stdout, "nothing to do: head is applied\n")
        document = json.loads(self.lockstep("upgrade", "--json").stdout)
        self.assertEqual((document["state"], document["steps_done"]), ("RUN_STATE_SUCCEEDED", 0))

    def test_runs_run_logs_and_watch(self):
        run = re.search(UUID, self.upgrade.stdout)[0]
        listed = [row for row in rows_of(self.lockstep("runs", "--limit", "1000").stdout) if row[0] == run]
        self.assertEqual(listed[0][1:4], ["upgrade", "head", "SUCCEEDED"])
        text, document = self.both("run", run[:8])
        self.assertRegex(text, rf"^{run}  upgrade head\nstate     SUCCEEDED\n")
        self.assertEqual(document["steps_done"], document["steps_total"])

        text, document = self.both("logs", run)
        lines = text.splitlines()
        self.assertEqual([int(line.split()[0]) for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual([int(event["offset"]) for event in document["events"]], list(range(1, len(lines) + 1)))
        self.assertEqual(document["events"][-1]["kind"], "run_finished")
        self.assertEqual(self.both("watch", run), (text, document))
        self.assertEqual(self.both("logs", run, "--after", "5")[0].splitlines(), lines[5:])
        self.assertEqual(self.both("watch", run, "--after", str(len(lines)))[1], {"events": []})
        for verb in ("run", "logs", "watch"):
            for direct in (False, True):
                self.refused(verb, "00000000-0000-4000-8000-000000000000", code=USAGE, reason="RUN_NOT_FOUND",
                             direct=direct)

    def test_a_downgrade_that_a_service_forbids_ends_with_5(self):
        for direct in (False, True):
            self.refused("downgrade", "v2.2.1", code=BLOCKED, reason="REQUIRED_BY_INSTANCE", direct=direct)
        newest = json.loads(self.lockstep("runs", "--limit", "1", "--json").stdout)["runs"][0]
        self.assertEqual(newest["state"], "RUN_STATE_BLOCKED")
        watched = self.lockstep("watch", newest["name"].split("/")[1], "--json", check=False)
        self.assertEqual(watched.returncode, BLOCKED)
        self.assertEqual(json.loads(watched.stdout)["error"]["reason"], "REQUIRED_BY_INSTANCE")

    # --- orders ---

    def test_orders(self):
        figures = dict(re.findall(r"(?m)^  (\w+)\s+(\d+)$", self.imported.stdout))
        rows = int(re.match(r"importBatches/\S+: (\d+) rows", self.imported.stdout)[1])
        self.assertEqual(sum(map(int, figures.values())), rows)
        again = json.loads(self.lockstep("orders", "import", "--platform", "stockx", SAMPLE, "--json").stdout)
        self.assertEqual((int(again["inserted_count"]), int(again["updated_count"])), (0, 0))
        self.refused("orders", "import", "--platform", "stockx", "/nowhere.csv", code=USAGE,
                     reason="FILE_NOT_READABLE")

        page = self.lockstep("orders", "list", "--page-size", "3", "--order-by", "gross_sale desc")
        self.assertEqual(len(rows_of(page.stdout)), 3)
        token = re.search(r"--page-token (\S+)", page.stderr)[1]
        document = json.loads(self.lockstep("orders", "list", "--page-size", "3", "--order-by", "gross_sale desc",
                                            "--page-token", token, "--json").stdout)
        self.assertEqual(len(document["orders"]), 3)
        self.assertNotIn(document["orders"][0]["name"], page.stdout)
        none = self.lockstep("orders", "list", "--filter", 'platform = "ebay"')
        self.assertEqual(rows_of(none.stdout), [])
        done = self.lockstep("--json", "orders", "list", "--filter", "nonsense = 1", check=False)
        self.assertEqual(done.returncode, USAGE)
        self.assertEqual(json.loads(done.stdout)["error"]["fields"][0]["field"], "filter")

    def test_reconcile(self):
        done = wait_until(lambda: (lambda d: d if d.returncode == 0 else None)(self.lockstep("reconcile", check=False)),
                          "nothing to reconcile")
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"^\d+ completed orders compared, 0 events under way, 0 differences\n$")
        document = json.loads(self.lockstep("reconcile", "--json").stdout)
        self.assertEqual(document["differences"], [])

    # --- definitions that change while the server runs ---

    def test_new_is_seen_by_the_running_server(self):
        made = json.loads(self.lockstep("new", "orders", "shipping insurance", "--json").stdout)
        folder = self.migrations / made["folder"]
        self.addCleanup(shutil.rmtree, folder)
        self.assertRegex(made["folder"], rf"^orders/{made['id']}_shipping_insurance$")
        self.assertEqual({path.name for path in folder.iterdir()},
                         {"revision.textproto", "up.sql", "down.sql", "verify.sql"})
        (folder / "up.sql").write_text("COMMIT;\n")
        for direct in (False, True):
            done = self.refused("plan", "head", code=FAILED, reason="DEFINITIONS_INVALID", direct=direct)
            self.assertIn(f"{made['folder']}/up.sql:1", done.stderr)
        status = self.lockstep("status", check=False)
        self.assertEqual(status.returncode, FAILED)
        self.assertIn(f"{made['folder']}/up.sql:1", status.stdout)
        self.refused("upgrade", code=FAILED, reason="DEFINITIONS_INVALID")

        (folder / "up.sql").write_text("ALTER TABLE transactions.orders ADD COLUMN insurance_cost numeric(10,2);\n")
        (folder / "down.sql").write_text("ALTER TABLE transactions.orders DROP COLUMN insurance_cost;\n")
        (folder / "verify.sql").write_text("SELECT id FROM transactions.orders WHERE insurance_cost < 0;\n")
        document = self.both("plan", "head")[1]
        self.assertEqual([entry["revision"]["id"] for entry in document["revisions"]], [made["id"]])
        self.assertEqual(self.lockstep("status", "--exit-code", check=False).returncode, PENDING)
        self.refused("wait", "--service", "orders", "--revision", made["id"], "--timeout", "0", code=IN_PROGRESS,
                     reason="REVISION_NOT_APPLIED")
        self.refused("new", "shipping", "x", code=USAGE, reason="SERVICE_UNKNOWN")


if __name__ == "__main__":
    unittest.main()
