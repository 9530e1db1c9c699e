"""`make up` as a user runs it, then every command of the README's tour, on ports and in a folder of its own."""

import os
import re
import subprocess
import tempfile
import unittest

from harness import SOURCE, wait_until

PORT_BASE = 17100


def tour_blocks():
    text = (SOURCE / "README.md").read_text()
    tour = text.split("## Tour", 1)[1].split("## Map", 1)[0]
    return [block.replace("127.0.0.1:71", "127.0.0.1:171").replace("$PWD/.local", "$LOCKSTEP_LOCAL_DIR")
            for block in re.findall(r"```sh\n(.*?)```", tour, re.S)]


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="lockstep-readme-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.env = {key: value for key, value in os.environ.items() if not key.startswith("LOCKSTEP_")}
        cls.env.update(LOCKSTEP_LOCAL_DIR=f"{folder.name}/local", LOCKSTEP_PORT_BASE=str(PORT_BASE), NO_COLOR="1")
        cls.addClassCleanup(lambda: (cls.run_command("make down"), cls.run_command("deploy/local/postgres.sh remove")))
        cls.first = cls.run_command("make up")
        # What up.sh exports for its own commands, a user sets only when the ports are not the usual ones.
        for offset, service in enumerate(("CATALOG", "ORDERS", "FINANCE", "MIGRATION"), start=1):
            cls.env[f"LOCKSTEP_ENDPOINT_{service}"] = f"127.0.0.1:{PORT_BASE + offset}"

    @classmethod
    def run_command(cls, command):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=SOURCE, env=cls.env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=900)

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

    def test_3_every_command_of_the_tour_works(self):
        blocks = tour_blocks()
        self.assertGreaterEqual(len(blocks), 6)
        outputs = {}
        path = 'export PATH="$LOCKSTEP_LOCAL_DIR/bin:$PATH"\n'
        for block in blocks:
            done = self.run_command(path + block)
            self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
            outputs[block] = done
        refused = next(done for block, done in outputs.items() if "lockstep downgrade v2.2.1 ||" in block)
        self.assertIn("exit code 5", refused.stdout)
        again = next(done for block, done in outputs.items() if "orders import" in block)
        self.assertRegex(again.stdout, r"inserted\s+0\n\s+updated\s+0\n")

    def test_4_a_service_that_died_is_started_again(self):
        local = self.env["LOCKSTEP_LOCAL_DIR"]
        pid = int(open(f"{local}/run/finance.pid").read())
        os.kill(pid, 9)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().split()[2],
                   "finance is gone")
        again = self.run_command("make up")
        self.assertEqual(again.returncode, 0, again.stderr[-3000:])
        self.assertIn("starting finance", again.stderr)
        self.assertNotIn("starting orders", again.stderr)


if __name__ == "__main__":
    unittest.main()
