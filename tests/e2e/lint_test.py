"""`lockstep lint` on files, as it runs in CI: no database, no service."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from harness import BINARIES, MIGRATIONS

INDEX = "CREATE INDEX orders_sold_at ON transactions.orders (sold_at);\n"


class Lint(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lockstep-lint-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def lint(self, *args, code=0, stdin=None):
        done = subprocess.run([BINARIES / "lockstep", "lint", *map(str, args)], cwd=self.folder, input=stdin,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def test_says_where_what_and_what_instead(self):
        self.write("a.sql", "SET lock_timeout = '2s';\n" + INDEX)
        done = self.lint("a.sql", code=1)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^a\.sql:2:1: error L01 index-not-concurrent: CREATE INDEX without CONCURRENTLY")
        self.assertIn("instead: CREATE INDEX CONCURRENTLY", lines[1])
        self.assertIn("1 error, 0 warnings, 0 notes in 2 statements", done.stderr)

    def test_says_what_to_do_once_for_each_rule(self):
        self.write("a.sql", INDEX + INDEX.replace("sold_at", "paid_at"))
        done = self.lint("a.sql", code=1)
        self.assertEqual(done.stdout.count("error L01"), 2)
        self.assertEqual(done.stdout.count("instead: CREATE INDEX CONCURRENTLY"), 1)

    def test_reads_folders_in_order_and_remembers(self):
        self.write("db/01.sql", "CREATE TABLE core.t (id bigint PRIMARY KEY);\n")
        self.write("db/sub/02.sql", "CREATE INDEX t_id ON core.t (id);\n")
        done = self.lint("db", code=1)
        # The file before has made the table somebody's.
        self.assertIn("db/sub/02.sql:1:1: error L01", done.stdout)

    def test_reads_the_standard_input(self):
        done = self.lint("-", code=1, stdin=INDEX)
        self.assertIn("stdin:1:1: error L01", done.stdout)

    def test_fails_from_the_level_that_is_asked_for(self):
        self.write("a.sql", "SET lock_timeout = '2s';\nALTER TABLE core.t ALTER COLUMN a SET DEFAULT 1;\n")
        self.lint("a.sql")
        self.lint("a.sql", "--fail-on", "warning", code=1)
        self.write("b.sql", INDEX)
        self.lint("b.sql", "--fail-on", "never")

    def test_answers_programs(self):
        self.write("a b.sql", "-- lint: allow L01 because it is small\n" + INDEX)
        document = json.loads(self.lint("a b.sql", "--format", "json").stdout)
        finding = next(each for each in document["findings"] if each["rule"] == "L01")
        self.assertEqual(finding["rule_name"], "index-not-concurrent")
        self.assertEqual(finding["level"], "LINT_LEVEL_ERROR")
        self.assertEqual(finding["suppressed_because"], "it is small")
        self.assertEqual(document["statement_count"], 1)

    def test_writes_sarif(self):
        self.write("a b.sql", INDEX + "-- lint: allow L01 because it is small\n" + INDEX.replace("at", "on"))
        document = json.loads(self.lint("a b.sql", "--format", "sarif", code=1).stdout)
        self.assertEqual(document["version"], "2.1.0")
        run = document["runs"][0]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        first, second = [result for result in run["results"] if result["ruleId"] == "L01"]
        self.assertEqual(rules[first["ruleIndex"]], "L01")
        self.assertEqual(first["level"], "error")
        place = first["locations"][0]["physicalLocation"]
        self.assertEqual(place["artifactLocation"]["uri"], "a%20b.sql")
        self.assertEqual(place["region"], {"startLine": 1, "startColumn": 1})
        self.assertNotIn("suppressions", first)
        self.assertEqual(second["suppressions"], [{"kind": "inSource", "justification": "it is small"}])

    def test_explains_and_lists_rules(self):
        self.assertIn("# L01 index-not-concurrent", self.lint("--explain", "l01").stdout)
        self.assertIn("# N14 ", self.lint("--explain", "concurrent-if-not-exists").stdout)
        self.assertEqual(len(self.lint("--rules").stdout.splitlines()), 1 + 74)
        self.assertIn("LINT_RULE_UNKNOWN", self.lint("--explain", "L99", "--json", code=2).stdout)

    def test_says_what_it_cannot_read(self):
        self.write("a.sql", "CREATE INDEXX i ON t (a);\n")
        done = self.lint("a.sql", code=1)
        self.assertIn("error L35", done.stdout)
        self.assertIn("1 files could not be read", done.stderr)
        self.lint("missing.sql", code=2)
        (self.folder / "empty").mkdir()
        self.lint("empty", code=2)

    def test_goes_by_the_server_version(self):
        self.write("a.sql", "SET lock_timeout = '2s';\nCREATE VIEW core.v WITH (security_invoker) AS SELECT 1 AS a;\n")
        self.lint("a.sql")
        self.assertIn("M08", self.lint("a.sql", "--server-version", "14.7", code=1).stdout)
        self.lint("a.sql", "--server-version", "new", code=2)

    def test_our_migrations_have_no_error_going_up(self):
        document = json.loads(self.lint(MIGRATIONS, "--format", "json", "--fail-on", "never").stdout)
        self.assertGreater(document["statement_count"], 500)
        self.assertEqual([finding for finding in document["findings"]
                          if finding["level"] == "LINT_LEVEL_ERROR" and not finding["suppressed_because"]
                          and not finding["file"].endswith("down.sql")], [])

    def test_tells_of_one_revision_or_what_is_newer(self):
        revision = next((MIGRATIONS / "orders").glob("84bc4d8b03ef_*"))
        everything = self.lint(MIGRATIONS, "--fail-on", "never").stdout
        one = self.lint(revision, "--fail-on", "never").stdout
        self.assertIn("84bc4d8b03ef", one)
        self.assertLess(len(one), len(everything))
        self.assertNotIn("887763befe74", one)
        file = self.lint(revision / "02_external_id.up.sql", "--fail-on", "never").stdout
        self.assertIn("02_external_id.up.sql:3:1: warning L22", file)
        self.assertNotIn(".down.sql", file)
        newer = self.lint(MIGRATIONS, "--since", "head", "--fail-on", "never")
        self.assertEqual(newer.stdout, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
