"""What the migration process tells monitoring: health and metrics over HTTP, and signed events by webhook."""

import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from harness import BINARIES, SERVICES, Suite, wait_until

KEY = "a key of more than sixteen bytes"


class Receiver:
    """Keeps what is posted to it. The first request is refused as by a server that is overloaded."""

    def __enter__(self):
        outer = self
        self.requests = []  # (headers, body), as they came

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.headers, body))
                self.send_response(503 if len(outer.requests) == 1 else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def events(self):
        return [json.loads(body) for _, body in list(self.requests)[1:]]


def is_genuine(header, body, key, now, tolerance=300):
    """As docs/monitoring.md shows it to receivers."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(key, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"]) and abs(now - int(parts["t"])) <= tolerance


class MonitoringTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.receiver = cls.enterClassContext(Receiver())
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lockstep-monitoring-"))
        cls.suite = cls.enterClassContext(Suite())
        cls.suite.bootstrap()
        key_file = pathlib.Path(cls.folder) / "key"
        key_file.write_text(KEY + "\n")
        cls.suite.start("migration", env={"LOCKSTEP_WEBHOOK_URL": cls.receiver.url,
                                          "LOCKSTEP_WEBHOOK_SIGNING_KEY_FILE": str(key_file)})
        # Runs that were over before that are no news.
        wait_until(lambda: cls.suite.sql("SELECT count(*) FROM migration.webhook_state") == "1", "the webhook is ready")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.suite.http_port()}{path}", timeout=10) as answer:
            return answer.read().decode()

    def scrape(self):
        """{(sample's name, sorted labels): value}"""
        time.sleep(1.1)  # a text serves for a second
        samples = {}
        for family in text_string_to_metric_families(self.get("/metrics")):
            self.assertTrue(family.documentation, family.name)
            self.assertIn(family.type, ("gauge", "counter", "histogram"), family.name)
            for sample in family.samples:
                samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return samples

    def value(self, samples, name, **labels):
        return samples[f"lockstep_migration_{name}", tuple(sorted(labels.items()))]

    def test_tells_an_upgrade_by_metrics_and_events(self):
        before = self.scrape()
        self.assertEqual(before["lockstep_up", ()], 1)
        for service in SERVICES:
            self.assertGreater(self.value(before, "revisions_pending", service=service), 0)

        self.suite.lockstep("upgrade", "head", direct=True)  # a run of another process

        after = self.scrape()
        for service in SERVICES:
            self.assertEqual(self.value(after, "revisions_pending", service=service), 0)
            heads = self.suite.lockstep("current", "--json", direct=True).stdout
            [head] = [dict(labels)["revision"] for (name, labels) in after
                      if name == "lockstep_migration_revision_info" and dict(labels)["service"] == service]
            self.assertIn(head, heads)
            steps = self.suite.sql(f"SELECT count(*) FROM migration.step_log WHERE service = '{service}'")
            self.assertEqual(self.value(after, "step_duration_seconds_count", service=service, direction="up"),
                             int(steps))
        self.assertEqual(self.value(after, "runs_finished_total", kind="upgrade", state="succeeded"), 1)
        self.assertEqual(self.value(after, "lease_held"), 0)
        self.assertIn(("lockstep_migration_oldest_transaction_seconds", ()), after)

        wait_until(lambda: any(event["kind"] == "run_finished" for event in self.receiver.events()), "all is told")
        events = self.receiver.events()
        self.assertEqual(events[0]["kind"], "run_started")
        self.assertEqual(events[-1]["kind"], "run_finished")
        self.assertEqual(events[0]["run"]["target"], "head")
        offsets = [int(event["id"].split("/")[1]) for event in events]
        self.assertEqual(offsets, sorted(set(offsets)))
        for headers, body in self.receiver.requests:
            self.assertTrue(is_genuine(headers["Lockstep-Signature"], body, KEY.encode(), time.time()))
            self.assertFalse(is_genuine(headers["Lockstep-Signature"], body + b" ", KEY.encode(), time.time()))
            self.assertEqual(headers["Lockstep-Event-Id"], json.loads(body)["id"])
        # The one that failed at first came again.
        self.assertEqual(json.loads(self.receiver.requests[0][1])["id"], events[0]["id"])
        delivered = wait_until(lambda: self.value(self.scrape(), "webhook_delivered_total"), "deliveries are counted")
        self.assertEqual(delivered, len(events))

    def test_answers_health_checks(self):
        self.assertEqual(self.get("/healthz"), "alive\n")
        wait_until(lambda: self.get("/readyz") == "ready\n", "ready")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.get("/")
        self.assertEqual(refused.exception.code, 404)
        refused.exception.close()

    def refused(self, *flags, **env):
        done = subprocess.run([BINARIES / "lockstep-migration", "--listen", "127.0.0.1:0", *flags], text=True,
                              capture_output=True, timeout=30,
                              env=self.suite.env(LOCKSTEP_DATABASE_URL=self.suite.url("lockstep_migrator"), **env))
        return done.returncode, done.stderr

    def test_refuses_to_start_where_it_cannot_listen(self):
        taken = f"127.0.0.1:{self.suite.http_port()}"
        code, text = self.refused("--http-listen", taken)
        self.assertEqual(code, 1)
        self.assertIn(f"cannot listen on {taken}: the address is in use", text)
        code, text = self.refused("--http-listen", "0.0.0.0:0")
        self.assertEqual(code, 1)
        self.assertIn("only loopback addresses", text)

    def test_refuses_a_webhook_without_a_key(self):
        code, text = self.refused("--http-listen", "", "--webhook-url", "https://example.com/hook")
        self.assertEqual(code, 78)
        self.assertIn("--webhook-signing-key-file", text)


if __name__ == "__main__":
    unittest.main()
