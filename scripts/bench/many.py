"""Very many purchases through `ingest`, `clean` and `features`: whether time grows as the rows do, and memory stays bounded.

    python many.py --work FOLDER [--keep] ROWS...

The log is generated while `ingest` reads it, so there is no CSV. What was written is deleted afterwards; 100 million purchases take about 6 GB
of disk. Processor time per row is compared with that of the first size.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import goals
import shop
from measure import MIB, REPOSITORY, row, run, size

STAGES = ("ingest", "clean", "features")
"""Of the processor time per row of the first size, and in GiB."""
GROWTH, MEMORY = 1.1, 4


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--keep", action="store_true", help="keep what was written of the last size")
    arguments.add_argument("rows", type=int, nargs="+")
    given = arguments.parse_args()
    print(row("stage", "purchases", "seconds", "CPU seconds", "CPU, µs per row", "by the first size", "peak MiB", "own MiB", "MiB on disk"))
    print(row("---", *["---:"] * 8))
    first = {}
    for rows in given.rows:
        root = shop.project(given.work.resolve() / "many", rows)
        environment = os.environ | {"MILLRACE_ROOT": str(root)}
        for tool in STAGES:
            done = run(tool, [REPOSITORY / "bin" / tool, "shop", "--quiet"], environment)
            micros = done.cpu / rows * 1e6
            growth = micros / first.setdefault(tool, micros)
            memory = f"{done.memory / MIB:,.0f}", f"{done.own / MIB:,.0f}"
            written = f"{size(done.stdout.split(), root) / MIB:,.0f}"
            print(row(tool, f"{rows:,}", f"{done.seconds:.1f}", f"{done.cpu:.1f}", f"{micros:.3f}", f"{growth:.2f}", *memory, written), flush=True)
            goals.note(f"`{tool}` of {rows:,} purchases, peak memory", done.memory / MIB / 1024, " GiB", at_most=MEMORY)
            if rows != given.rows[0]:
                goals.note(f"`{tool}` of {rows:,} purchases, CPU time per row by that of {given.rows[0]:,}", growth, at_most=GROWTH)
        if not (given.keep and rows == given.rows[-1]):
            shutil.rmtree(root)
    print(f"\nFree on this disk: {shutil.disk_usage(given.work).free / MIB / 1024:,.0f} GiB.", file=sys.stderr)


if __name__ == "__main__":
    main()
