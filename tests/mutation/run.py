#!/usr/bin/python3
"""Breaks one rule of the engine at a time and requires that the tests notice.

A copy of the sources gets a build folder of its own; each mutation changes one place in it, builds what its tests need,
and runs them. A mutation that no test notices, or whose place is not found any more, fails this program. Takes minutes:
`make test-mutations` runs it, with names of mutations as arguments only those.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
COPY = SOURCE / "build" / "mutation"
ENGINE = "services/migration/engine/run"


@dataclasses.dataclass(frozen=True)
class Mutation:
    name: str
    breaks: str  # the rule that it breaks
    file: str
    old: str  # every occurrence is replaced; one at least
    new: str
    tests: str  # a CTest name, without which the mutation would pass
    targets: tuple


MUTATIONS = [
    Mutation("ledger-apart", "a step and its ledger row commit together", f"{ENGINE}/transactional_step.cc",
             "std::string sql = RecordSql() +", 'std::string sql = "COMMIT; BEGIN;\\n" + RecordSql() +',
             "e2e_kill_kinds", ("lockstep",)),
    Mutation("progress-apart", "a batch and its progress commit together", f"{ENGINE}/backfill/worker.cc",
             'Killpoint("backfill_batch_changed");',
             'RETURN_IF_ERROR(connection_->Script("COMMIT; BEGIN;").status());\n    Killpoint("backfill_batch_changed");',
             "migration_backfill_kill_test", ("migration_engine_process", "migration_backfill_kill_test")),
    Mutation("token-not-locked", "a step's transaction locks the lease", f"{ENGINE}/ledger_functions.cc",
             "       FOR KEY SHARE;", "       ;", "migration_takeover_test",
             ("migration_engine_process", "migration_takeover_test")),
    Mutation("sessions-live-on", "a successor ends its predecessor's sessions", f"{ENGINE}/lease.cc",
             "SELECT pg_terminate_backend(s.pid)", "SELECT (s.pid)", "migration_takeover_test",
             ("migration_engine_process", "migration_takeover_test")),
]


def run(*command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def must(*command):
    done = run(*command)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")


def copy_sources():
    """The sources as they are in the working tree, with their times, so that only what changed is built again."""
    files = run("git", "-C", SOURCE, "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    for name in files:
        if not (SOURCE / name).is_file():
            continue
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != (SOURCE / name).read_bytes():
            shutil.copy2(SOURCE / name, target)
    link = COPY / "node_modules"
    if not link.is_symlink():
        link.symlink_to(SOURCE / "node_modules")


def survives(mutation):
    """What is wrong, or None when the tests noticed."""
    place = COPY / mutation.file
    original = place.read_text()
    if mutation.old not in original:
        return f"{mutation.file} has no {mutation.old!r} any more: write the mutation anew"
    build = COPY / "build" / "dev"
    try:
        place.write_text(original.replace(mutation.old, mutation.new))
        must("cmake", "--build", build, "--target", *mutation.targets)
        # Other tests' programs are not built; the cluster is a fixture and comes along.
        done = run("ctest", "--test-dir", build, "--output-on-failure", "-R", f"^{mutation.tests}$")
        if f"{mutation.tests} " not in done.stdout or "No tests were found" in done.stdout:
            return f"{mutation.tests} did not run:\n{done.stdout[-2000:]}"
        if done.returncode == 0:
            return f"{mutation.tests} passes although it is broken that {mutation.breaks}"
        wrong = [line for line in done.stdout.splitlines() if "Failed" in line or "AssertionError" in line]
        print(f"  noticed: {wrong[0].strip()[:300] if wrong else 'failed'}", flush=True)
        return None
    finally:
        place.write_text(original)


def main():
    chosen = [m for m in MUTATIONS if not sys.argv[1:] or m.name in sys.argv[1:]]
    if not chosen:
        sys.exit(f"no such mutation; there are {', '.join(m.name for m in MUTATIONS)}")
    copy_sources()
    os.chdir(COPY)
    must("cmake", "--preset", "dev")
    targets = sorted({target for mutation in chosen for target in mutation.targets})
    must("cmake", "--build", "--preset", "dev", "--target", *targets)
    problems = 0
    for mutation in chosen:
        print(f"{mutation.name}: it is broken that {mutation.breaks}", flush=True)
        problem = survives(mutation)
        if problem:
            problems += 1
            print(f"  NOT NOTICED: {problem}", flush=True)
    print(f"{len(chosen) - problems} of {len(chosen)} mutations were noticed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
