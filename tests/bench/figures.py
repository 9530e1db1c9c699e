"""What the benchmarks share: figures as text, and a folder of many small revisions."""

import pathlib
import statistics


def spread(values, unit, digits=3):
    return (f"median {statistics.median(values):.{digits}f} {unit} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f}, n={len(values)})")


def up_sql(number):
    return (f"CREATE TABLE transactions.bench_{number:04d} (\n    id bigint PRIMARY KEY,\n    note text NOT NULL\n);\n")


def write_revisions(root, count):
    """`count` revisions of orders, each creates one table and has a verification."""
    root = pathlib.Path(root)
    ids = [f"{number:012x}" for number in range(1, count + 1)]
    for number, revision in enumerate(ids, start=1):
        folder = root / "orders" / f"{revision}_bench_{number:04d}"
        folder.mkdir(parents=True)
        parent = f'down_revision: "{ids[number - 2]}"\n' if number > 1 else ""
        (folder / "revision.textproto").write_text(
            f'id: "{revision}"\ntitle: "bench table {number}"\nservice: "orders"\n{parent}'
            'created: "2026-01-01"\nphase: PHASE_EXPAND\n')
        (folder / "up.sql").write_text(up_sql(number))
        (folder / "down.sql").write_text(f"DROP TABLE transactions.bench_{number:04d};\n")
        (folder / "verify.sql").write_text(f"SELECT id FROM transactions.bench_{number:04d} WHERE note = '';\n")
    quoted = "\n".join(f'  revisions: "{revision}"' for revision in ids)
    (root / "releases.textproto").write_text(
        f'releases {{\n  name: "v1.0.0"\n  date: "2026-01-01"\n  title: "bench"\n{quoted}\n}}\n')
