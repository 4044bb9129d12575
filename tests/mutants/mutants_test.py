"""scripts/mutants with a program that only pretends to simulate: fast, and known to the last seed."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "mutants"

# Called as: sim run SCENARIO --seed N.
PRETENDER = """#!/bin/sh
scenario=$(basename "$3" .toml)
fail() { echo "  broken: $1" >&2; exit 1; }
[ "$scenario $5" = "one_way 1" ] && fail "what fails without any bug"
[ "$REJOIN_MUTANT $scenario $5" = "join_drops_touches one_way 2" ] && fail "the certificate"
[ "$REJOIN_MUTANT" = "gate_is_ignored" ] && [ "$5" = 3 ] && kill -ABRT $$
exit 0
"""


class Mutants(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.program = self.folder / "rejoin"
        self.program.write_text(PRETENDER)
        self.program.chmod(0o755)

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "REJOIN_MUTANT": "of the caller"})

    def judge(self, *arguments):
        out = self.folder / "out.json"
        done = self.run_script("--program", self.program, "--scenarios", "lossy_mesh", "one_way",
                               "--json", out, *arguments)
        return done, json.loads(out.read_text())["mutants"]

    def test_a_bug_is_noticed_by_the_first_seed_that_fails_because_of_it(self):
        done, [result] = self.judge("--only", "join_drops_touches", "--seeds", "5")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((result["by"], result["runs"], result["said"]),
                         ("one_way seed 2", 4, "the certificate"))

    def test_a_bug_that_no_seed_shows_is_counted_as_not_noticed(self):
        done, [result] = self.judge("--only", "join_drops_touches", "--seeds", "1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual((result["by"], result["runs"]), (None, 2))
        self.assertIn("0 of 1 noticed", done.stdout)

    def test_a_bug_that_nobody_can_notice_is_no_failure(self):
        done, [result] = self.judge("--only", "transfer_is_joined_twice", "--seeds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(result["survives"])

    def test_a_patch_is_judged_by_the_same_runs(self):
        done, [result] = self.judge("--patch", self.folder / "some.patch", "--seeds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((result["by"], result["name"]), ("one_way seed 1", "some.patch"))

    def test_unknown_mutants_and_patches_are_named(self):
        done = self.run_script("--only", "no_such_bug")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no_such_bug", done.stderr)
        done = self.run_script("--patch", self.folder / "none.patch")
        self.assertEqual(done.returncode, 2)
        self.assertIn("none.patch", done.stderr)

    def test_a_program_that_bugs_are_built_into_is_told_from_one_without(self):
        self.program.write_text("nothing of them")
        self.assertEqual(self.run_script("--check", self.program).returncode, 0)
        self.program.write_bytes(b"\0gate_is_ignored\0")
        done = self.run_script("--check", self.program)
        self.assertEqual(done.returncode, 2)
        self.assertIn("gate_is_ignored", done.stderr)


if __name__ == "__main__":
    unittest.main()
