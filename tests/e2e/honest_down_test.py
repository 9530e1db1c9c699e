"""Every revision's down is honest: on an empty database it leads back to the letter, without an archive, and up again."""

import json
import unittest

from cli_test import by_name, catalog_of
from harness import MIGRATIONS, Suite


class HonestDown(unittest.TestCase):
    maxDiff = None

    def test_each_revision_leads_back_and_up_again_in_the_order_of_the_plan(self):
        with Suite() as suite:
            suite.bootstrap()
            plan = json.loads(suite.lockstep("plan", "head", "--json", direct=True).stdout)
            revisions = [planned["revision"] for planned in plan["revisions"]]
            self.assertEqual(len(revisions), len(list(MIGRATIONS.glob("*/*/revision.textproto"))))
            below = by_name(catalog_of(suite.url()))
            for revision in revisions:
                with self.subTest(revision["id"], title=revision["title"]):
                    suite.lockstep("upgrade", revision["id"], direct=True)
                    above = by_name(catalog_of(suite.url()))

                    parent = (revision["down_revision"] or ["base"])[0]
                    flags = ["--allow-irreversible"] if revision["irreversible_reason"] else []
                    suite.lockstep("downgrade", f"{revision['service']}@{parent}", *flags, direct=True)
                    self.assertEqual(by_name(catalog_of(suite.url())), below)

                    # Whether it came up again as it was, the way back of the next one tells.
                    suite.lockstep("upgrade", revision["id"], direct=True)
                    below = above
            self.assertEqual(by_name(catalog_of(suite.url())), below)


if __name__ == "__main__":
    unittest.main()
