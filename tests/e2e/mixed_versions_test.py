"""Old and new builds of a service work side by side while a release changes the shape of a column, and back.

A price in euros (`amount`) becomes one in cents (`amount_cents`): EXPAND adds the column and fills it, both kept in step;
new instances are deployed beside the old ones; CONTRACT takes the old column away once the last old instance is gone.
Then all of it is undone. Meanwhile every instance writes and reads at random, rows of the others as well. No statement may
fail, no value may be lost.
"""

import decimal
import hashlib
import json
import os
import pathlib
import random
import subprocess
import tempfile
import threading
import time
import unittest

import psycopg2

from harness import BINARIES, Suite, wait_until

SEED = int(os.environ.get("LOCKSTEP_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
ROWS = 300
# Seconds of work in each constellation, at least.
PAUSE = 1.0

SPEC = """id: "{id}"
title: "{title}"
service: "catalog"
created: "2025-10-01"
phase: PHASE_{phase}
{more}
"""
# What the engine's own trigger does, for the way back from CONTRACT.
SYNC = """CREATE FUNCTION core.prices_sync() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.amount_cents IS NULL THEN NEW.amount_cents := round(NEW.amount * 100)::bigint;
    ELSE NEW.amount := NEW.amount_cents / 100.0; END IF;
  ELSIF NEW.amount_cents IS DISTINCT FROM OLD.amount_cents THEN NEW.amount := NEW.amount_cents / 100.0;
  ELSIF NEW.amount IS DISTINCT FROM OLD.amount THEN NEW.amount_cents := round(NEW.amount * 100)::bigint;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER prices_sync BEFORE INSERT OR UPDATE ON core.prices FOR EACH ROW EXECUTE FUNCTION core.prices_sync();
"""
REVISIONS = {
    ("1a1a", "prices", "EXPAND", ""): {
        "up.sql": f"""CREATE TABLE core.prices (id bigint PRIMARY KEY, amount numeric(12,2));
INSERT INTO core.prices SELECT n, n FROM generate_series(1, {ROWS}) AS n;
GRANT USAGE ON SCHEMA core TO catalog_app;
GRANT SELECT, INSERT, UPDATE ON core.prices TO catalog_app;
""",
        "down.sql": "DROP TABLE core.prices;\n",
        "verify.sql": "SELECT id FROM core.prices WHERE id < 1;\n",
    },
    ("2b2b", "cents beside euros", "EXPAND", """down_revision: "1a1a"
steps { name: "column" }
steps {
  name: "fill"
  kind: STEP_KIND_BACKFILL
  backfill {
    table: "core.prices"
    key: "id"
    set { column: "amount_cents" expression: "round(amount * 100)::bigint" }
    set_back { column: "amount" expression: "amount_cents / 100.0" }
    trigger: "prices_sync"
    batch { start_rows: 50 min_rows: 50 max_rows: 50 pause_ms: 20 }
  }
}
"""): {
        "01_column.up.sql": "ALTER TABLE core.prices ADD COLUMN amount_cents bigint;\n",
        "01_column.down.sql": "ALTER TABLE core.prices DROP COLUMN amount_cents;\n",
        "verify.sql": "SELECT id FROM core.prices WHERE amount_cents IS DISTINCT FROM round(amount * 100)::bigint;\n",
        "guard.sql": "SELECT 'prices known in cents only' AS what, count(*) AS count FROM core.prices"
                     " WHERE amount IS NULL AND amount_cents IS NOT NULL;\n",
    },
    # One step, so that on the way back nobody writes between the column and its trigger.
    ("3c3c", "cents only", "CONTRACT", 'down_revision: "2b2b"\nsupersedes_verify: "2b2b"\n'): {
        "up.sql": "DROP TRIGGER prices_sync ON core.prices;\nDROP FUNCTION core.prices_sync();\n"
                  "ALTER TABLE core.prices DROP COLUMN amount;\n",
        "down.sql": "ALTER TABLE core.prices ADD COLUMN amount numeric(12,2)"
                    " GENERATED ALWAYS AS (amount_cents / 100.0) STORED;\n"
                    "ALTER TABLE core.prices ALTER COLUMN amount DROP EXPRESSION;\n" + SYNC,
        "verify.sql": "SELECT id FROM core.prices WHERE amount_cents IS NULL;\n",
        "guard.sql": "SELECT 'none' AS what, 0 AS count WHERE false;\n",
    },
}
OLD = {"build": "1.0.0", "column": "amount", "required": "1a1a", "built_for": "1a1a"}
NEW = {"build": "2.0.0", "column": "amount_cents", "required": "2b2b", "built_for": "3c3c"}


class Model:
    """The values that the rows must have, in cents. Whoever works on a row holds its lock."""

    def __init__(self):
        self.cents = {row: row * 100 for row in range(1, ROWS + 1)}
        self.locks = {row: threading.Lock() for row in self.cents}
        self._lock = threading.Lock()

    def add(self):
        """A new row's id; the caller holds its lock until the row is there."""
        with self._lock:
            row = len(self.locks) + 1
            self.locks[row] = threading.Lock()
            self.locks[row].acquire()
            return row

    def some(self, dice):
        with self._lock:
            return dice.randrange(1, len(self.locks) + 1)


class Instance:
    """A process of one build: registered, renewing its lease, working until it is stopped."""

    def __init__(self, suite, model, build, number):
        self.suite, self.model, self.build = suite, model, build
        self.id = f"catalog@mixed/{build['build']}/{number}"
        self.dice = random.Random(f"{SEED}/{self.id}")
        self.calls, self.failure = 0, None
        self._stop = threading.Event()
        registry = suite.client("migration", "lockstep.migration.v1.RegistryService",
                                "lockstep.migration.v1.registry_service")
        request = registry.request("Register")
        request.instance.id, request.instance.service = self.id, "catalog"
        request.instance.build, request.instance.address = build["build"], "127.0.0.1:1"
        request.instance.required_revision, request.instance.built_for = build["required"], build["built_for"]
        request.ttl.seconds = 5
        request.manifest.uses.add(service="catalog", required_revision=build["required"], built_for=build["built_for"])
        request.manifest.footprint.extend(["core.prices", f"core.prices.{build['column']}", "core.prices.id"])
        answer = registry.call("Register", request)
        assert answer.instance.is_ready, f"{self.id} may not serve"
        self._registry = registry
        self._threads = [threading.Thread(target=target) for target in (self._renew, self._work)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._registry.call("Deregister", instance_id=self.id)
        self._registry.channel.close()

    def _renew(self):
        while not self._stop.wait(1):
            try:
                self._registry.call("Heartbeat", instance_id=self.id)
            except Exception as error:  # told by the test, whatever it is
                self.failure = self.failure or f"heartbeat: {error}"

    def _work(self):
        try:
            tag = hashlib.sha256(self.id.encode()).hexdigest()[:12]
            connection = psycopg2.connect(self.suite.url("catalog_app"), application_name=f"mixed {tag}")
            connection.autocommit = True
            with connection.cursor() as cursor:
                while not self._stop.is_set():
                    self._once(cursor)
                    self.calls += 1
                    time.sleep(0.002)
            connection.close()
        except Exception as error:  # told by the test, whatever it is
            self.failure = self.failure or f"{type(error).__name__}: {error}"

    def _once(self, cursor):
        column = self.build["column"]
        kind = self.dice.random()
        if kind < 0.1:
            row, cents = self.model.add(), self.dice.randrange(1, 10**6)
            try:
                cursor.execute(f"INSERT INTO core.prices (id, {column}) VALUES (%s, %s)", (row, self._value(cents)))
                self.model.cents[row] = cents
            finally:
                self.model.locks[row].release()
            return
        row = self.model.some(self.dice)
        with self.model.locks[row]:
            if kind < 0.5:
                cents = self.dice.randrange(1, 10**6)
                cursor.execute(f"UPDATE core.prices SET {column} = %s WHERE id = %s", (self._value(cents), row))
                assert cursor.rowcount == 1, f"row {row} is gone"
                self.model.cents[row] = cents
            else:
                cursor.execute(f"SELECT {column} FROM core.prices WHERE id = %s", (row,))
                found, expected = cursor.fetchone(), self._value(self.model.cents[row])
                # Before it is filled a new build would not serve; it starts after that.
                assert found is not None and found[0] == expected, f"row {row} has {found}, not {expected}"

    def _value(self, cents):
        return cents if self.build is NEW else decimal.Decimal(cents) / 100


class MixedVersions(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}: LOCKSTEP_TEST_SEED={SEED} repeats the workload")
        folder = tempfile.TemporaryDirectory(prefix="lockstep-mixed-")
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "releases.textproto").write_text("")
        for (revision, title, phase, more), files in REVISIONS.items():
            path = root / "catalog" / f"{revision}_x"
            path.mkdir(parents=True)
            (path / "revision.textproto").write_text(SPEC.format(id=revision, title=title, phase=phase, more=more))
            for name, sql in files.items():
                (path / name).write_text(sql)
        self.env = {"LOCKSTEP_MIGRATIONS_DIR": str(root)}
        self.suite = Suite().__enter__()
        self.addCleanup(self.suite.__exit__, None, None, None)
        self.suite.bootstrap()
        self.suite.start("migration", env=self.env)
        self.model = Model()
        self.instances = []
        self.addCleanup(self.stop_all)

    def start(self, build, count=2):
        started = [Instance(self.suite, self.model, build, len(self.instances) + n) for n in range(count)]
        self.instances += started
        return started

    def stop(self, instances):
        for instance in instances:
            instance.stop()
            self.instances.remove(instance)
            self.assertIsNone(instance.failure, instance.id)
            self.assertGreater(instance.calls, 50, f"{instance.id} has not worked")

    def stop_all(self):
        for instance in list(self.instances):
            instance.stop()

    def work(self):
        time.sleep(PAUSE)
        for instance in self.instances:
            self.assertIsNone(instance.failure, instance.id)

    def lockstep(self, *arguments):
        return self.suite.lockstep(*arguments, env=self.env)

    def test_there_and_back(self):
        self.lockstep("upgrade", "1a1a")
        old = self.start(OLD)
        self.work()
        self.lockstep("upgrade", "2b2b")  # EXPAND
        self.work()
        new = self.start(NEW)  # deploy
        self.work()

        contract = subprocess.Popen([BINARIES / "lockstep", "upgrade", "3c3c"], env=self.suite.env(**self.env), text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(contract.kill)

        def old_ones_block():
            gates = self.lockstep("gates", "--json").stdout
            return all(instance.id in gates for instance in old) and json.loads(gates)

        wait_until(old_ones_block, "`lockstep gates` names the old instances")
        self.work()
        self.assertIsNone(contract.poll(), "CONTRACT did not wait for the old instances")
        self.stop(old)
        output, _ = contract.communicate(timeout=60)
        self.assertEqual(contract.returncode, 0, output)
        self.assertEqual(self.columns(), "amount_cents,id")
        self.work()

        # Back. The old builds need their column first, the new ones go before theirs does.
        self.lockstep("downgrade", "2b2b")
        self.work()
        old = self.start(OLD)
        self.work()
        refused = self.suite.lockstep("downgrade", "1a1a", env=self.env, check=False)
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn(new[0].id, refused.stderr)
        self.stop(new)
        self.lockstep("downgrade", "1a1a", "--archive")
        self.work()
        calls = sum(instance.calls for instance in old)
        self.stop(old)
        self.assertEqual(self.columns(), "amount,id")
        rows = self.suite.sql("SELECT json_object_agg(id, round(amount * 100)::bigint) FROM core.prices")
        self.assertEqual({int(row): cents for row, cents in json.loads(rows).items()}, self.model.cents)
        print(f"{len(self.model.cents)} rows, the last old instances made {calls} calls")

    def columns(self):
        return self.suite.sql("SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute"
                              " WHERE attrelid = 'core.prices'::regclass AND attnum > 0 AND NOT attisdropped")


if __name__ == "__main__":
    unittest.main()
