"""`make up` as a user runs it, then every command of the README's tour, on ports and in a folder of its own."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import grpc

from harness import SOURCE, Client, Protos, free_port_base, wait_until

# CTest ends the program after 600 seconds, with what it started still running: everything, and then its end, must fit.
BUDGET_SECONDS = 500
CLEANUP_SECONDS = 40


def is_dead(pid):
    try:
        return re.search(r"^State:\s*[ZX]", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M) is not None
    except (FileNotFoundError, ProcessLookupError):
        return True


def tour_blocks(port_base):
    text = (SOURCE / "README.md").read_text()
    tour = text.split("## Tour", 1)[1].split("## Map", 1)[0]

    def moved(block):
        block = block.replace("$PWD/.local", "$LOCKSTEP_LOCAL_DIR").replace(" /tmp/", " $LOCKSTEP_LOCAL_DIR/")
        return re.sub(r"127\.0\.0\.1:71(\d\d)", lambda port: f"127.0.0.1:{port_base + int(port[1])}", block)

    return [moved(block) for block in re.findall(r"```sh\n(.*?)```", tour, re.S)]


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deadline = time.monotonic() + BUDGET_SECONDS
        cls.port_base = free_port_base()
        folder = tempfile.TemporaryDirectory(prefix="lockstep-readme-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.env = {key: value for key, value in os.environ.items() if not key.startswith("LOCKSTEP_")}
        cls.env.update(LOCKSTEP_LOCAL_DIR=f"{folder.name}/local", LOCKSTEP_PORT_BASE=str(cls.port_base), NO_COLOR="1")
        cls.addClassCleanup(cls.run_command, "make down || true; deploy/local/postgres.sh remove", CLEANUP_SECONDS)
        cls.first = cls.run_command("make up")
        # What up.sh exports for its own commands, a user sets only when the ports are not the usual ones.
        for offset, service in enumerate(("CATALOG", "ORDERS", "FINANCE", "MIGRATION"), start=1):
            cls.env[f"LOCKSTEP_ENDPOINT_{service}"] = f"127.0.0.1:{cls.port_base + offset}"

    @classmethod
    def run_command(cls, command, seconds=None):
        process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", command], cwd=SOURCE, env=cls.env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        try:
            out, err = process.communicate(timeout=seconds or max(1, cls.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            # With its children, which hold the pipes as well.
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"out of time: {command}\n{out[-2000:]}\n{err[-3000:]}") from None
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def test_1_make_up_ends_with_a_running_suite(self):
        self.assertEqual(self.first.returncode, 0, self.first.stderr[-5000:])
        self.assertIn("Lockstep is running", self.first.stdout)
        for check in ("V1", "V12"):
            self.assertRegex(self.first.stderr, rf"\b{check}\b")
        self.assertRegex(self.first.stderr, r"(?s)importing deploy/demo/stockx_sample.csv")

    def test_2_a_second_make_up_reloads_nothing(self):
        again = self.run_command("make up")
        self.assertEqual(again.returncode, 0, again.stderr[-3000:])
        for stage in ("loading the historical data", "importing deploy/demo", "starting catalog"):
            self.assertNotIn(stage, again.stderr)
        self.assertNotIn("WARNING", again.stderr)

    def test_3_every_command_of_the_tour_works(self):
        blocks = tour_blocks(self.port_base)
        self.assertGreaterEqual(len(blocks), 6)
        outputs = {}
        path = 'export PATH="$LOCKSTEP_LOCAL_DIR/bin:$PATH"\n'
        for block in blocks:
            done = self.run_command(path + block)
            self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
            outputs[block] = done
        refused = next(done for block, done in outputs.items() if "lockstep downgrade v2.2.1 ||" in block)
        self.assertIn("exit code 5", refused.stdout)
        instance = r" \S+ \(127\.0\.0\.1:\d+\)"
        self.assertRegex(refused.stderr, rf"required by running instances: finance{instance} \(REQUIRED_BY_INSTANCE\)")
        for kind in ("instance", "guard"):
            self.assertIn(f"blocked by {kind} of ", refused.stdout)
        again = next(done for block, done in outputs.items() if "orders import" in block)
        self.assertRegex(again.stdout, r"inserted\s+0\n\s+updated\s+0\n\s+unchanged\s+60\n")

    def test_4_a_service_that_died_is_started_again(self):
        pid = int((pathlib.Path(self.env["LOCKSTEP_LOCAL_DIR"]) / "run/finance.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        # Its name stays until its parent asks for it, which may be long after: `make up` must not be fooled by that.
        wait_until(lambda: is_dead(pid), "finance is dead")
        again = self.run_command("make up")
        self.assertEqual(again.returncode, 0, again.stderr[-3000:])
        self.assertIn("starting finance", again.stderr)
        self.assertNotIn("starting orders", again.stderr)

    def test_5_make_up_says_which_processes_are_older_than_their_binary(self):
        os.utime(f"{self.env['LOCKSTEP_LOCAL_DIR']}/run/orders.pid", (0, 0))
        again = self.run_command("make up")
        self.assertEqual(again.returncode, 0, again.stderr[-3000:])
        self.assertRegex(again.stderr, r"still running: orders\n.*restart with: make down && make up")

    def test_6_make_down_waits_for_an_import_that_does_not_end(self):
        imports = Client(f"127.0.0.1:{self.port_base + 2}", "lockstep.orders.v1.ImportService",
                         Protos.load("lockstep.orders.v1.import_service"))
        header = imports.request("ImportReport")
        header.header.platform = "platforms/stockx"
        header.header.file_name = "endless.csv"
        is_reading, is_over = threading.Event(), threading.Event()

        def messages():
            yield header
            is_reading.set()
            is_over.wait()

        def run():
            with imports.channel, contextlib.suppress(grpc.RpcError):
                imports.stream_in("ImportReport", messages())

        caller = threading.Thread(target=run)
        caller.start()
        self.addCleanup(caller.join)
        self.addCleanup(is_over.set)
        self.assertTrue(is_reading.wait(10))

        done = self.run_command("make down")

        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        self.assertIn("waiting for orders, which finishes open calls", done.stderr)
        self.assertFalse(list(pathlib.Path(self.env["LOCKSTEP_LOCAL_DIR"], "run").glob("*.pid")))


if __name__ == "__main__":
    unittest.main()
