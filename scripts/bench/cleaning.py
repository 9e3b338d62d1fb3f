#!/usr/bin/env python3
"""Measures what `clean` repairs: precision, recall, F1 and harm on data whose clean version is known.

    cargo build --release -p ingest -p clean -p export
    scripts/bench/cleaning.py [--data ../shared/data/cleaning-bench] [--bin target/release] [hospital beers]

The pipelines are those in tests/cleaning/. Each data set has a `dirty.csv` and a `clean.csv` of the same shape. A cell is wrong
if both differ, and changed if the output differs from the dirty one.

    precision = cells changed to the clean value / cells changed
    recall    = cells changed to the clean value / wrong cells
    F1        = their harmonic mean
    harm      = cells that were right and are not any more

Cells are compared as texts; with --numbers also as numbers, so that `12` equals `12.0`. With --steps the change log tells what each
step did: its precision is the share of its changes that made a cell right, its recall is of the cells that were wrong before any step,
and its harm are cells that were right before it and not after it.
"""

import argparse
import csv
import os
import pathlib
import shutil
import subprocess
import tempfile

import goals

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data/cleaning-bench")
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "target/release")
    options.add_argument("--pipelines", type=pathlib.Path, default=ROOT / "tests/cleaning")
    options.add_argument("--numbers", action="store_true", help="cells that are equal as numbers are equal")
    options.add_argument("--steps", action="store_true", help="also measure each step by its changes")
    options.add_argument("--wrong", type=int, default=0, metavar="N", help="print the first N cells that are not as they should be")
    options.add_argument("sets", nargs="*", default=["hospital", "beers"])
    arguments = options.parse_args()
    print(f"{'set':10} {'wrong':>6} {'changed':>8} {'right':>6} {'precision':>9} {'recall':>7} {'F1':>7} {'harm':>5}")
    for name in arguments.sets:
        dirty, clean = (read(arguments.data / name / f"{kind}.csv") for kind in ("dirty", "clean"))
        repaired, changes = cleaned(arguments, name)
        measure(name, dirty, clean, repaired, arguments)
        if arguments.steps:
            measure_steps(dirty, clean, changes, arguments)


def read(file):
    with open(file, newline="", encoding="utf-8-sig") as lines:
        return list(csv.reader(lines))


def cleaned(arguments, name):
    """The output of the pipeline, in a project of its own."""
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        shutil.copytree(arguments.pipelines / name, pathlib.Path(folder) / "resources" / name)
        environment = {**os.environ, "MILLRACE_ROOT": folder, "CLEANING_BENCH": str(arguments.data.resolve())}
        for tool in ("ingest", "clean"):
            subprocess.run([arguments.bin / tool, name, "--quiet"], env=environment, check=True, stdout=subprocess.DEVNULL)
        export = [arguments.bin / "export", name, "--quiet", "-o", "-"]
        made = pathlib.Path(folder) / "data/processed" / name / "clean"
        (log,) = made.glob("*_changes_*.parquet")
        reader = pathlib.Path(folder) / "resources" / "changes"
        reader.mkdir()
        table = log.name.split("_changes_")[0] + "_changes"
        (reader / "export.yaml").write_text(f"table: {table}\nformat: csv\ncolumns: [_row, column, before, after, by]\n")
        changes = [arguments.bin / "export", "changes", log, "--quiet", "-o", "-"]
        return [
            list(csv.reader(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()))
            for command in (export, changes)
        ]


def measure(name, dirty, clean, repaired, arguments):
    assert len(dirty) == len(clean) == len(repaired), "rows are compared by position: none may be added or removed"
    assert len(dirty[0]) == len(clean[0]) == len(repaired[0]), "columns are compared by position"
    same = equal_as_numbers if arguments.numbers else str.__eq__
    wrong = changed = right = harm = 0
    for row, (before, truth, after) in enumerate(zip(dirty[1:], clean[1:], repaired[1:]), start=1):
        for column, d, c, r in zip(dirty[0], before, truth, after):
            wrong += not same(d, c)
            changed += not same(d, r)
            right += not same(d, r) and same(r, c) and not same(d, c)
            harm += same(d, c) and not same(r, c)
            if not same(r, c) and arguments.wrong > 0:
                arguments.wrong -= 1
                print(f"  row {row} {column}: dirty {d!r}, clean {c!r}, found {r!r}")
    precision, recall = right / max(changed, 1), right / max(wrong, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"{name:10} {wrong:6} {changed:8} {right:6} {precision:9.3f} {recall:7.3f} {f1:7.3f} {harm:5}")
    goals.note(f"{name}, F1", f1, at_least=0.9)
    goals.note(f"{name}, right cells damaged", harm, at_most=0)


def measure_steps(dirty, clean, changes, arguments):
    same = equal_as_numbers if arguments.numbers else str.__eq__
    wrong = sum(not same(d, c) for before, truth in zip(dirty[1:], clean[1:]) for d, c in zip(before, truth))
    steps = {}
    for line, column, before, after, by in changes[1:]:
        # The first row of the file is line 2.
        truth = clean[int(line) - 1][dirty[0].index(column)]
        changed, right, harm = steps.get(by, (0, 0, 0))
        was, is_now = same(before, truth), same(after, truth)
        steps[by] = (changed + 1, right + (is_now and not was), harm + (was and not is_now))
    for by, (changed, right, harm) in sorted(steps.items(), key=lambda step: int(step[0].split()[1])):
        print(f"  {by:22} {changed:6} changed, precision {right / changed:.3f}, recall {right / wrong:.3f}, harm {harm}")


def equal_as_numbers(one, other):
    if one == other:
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


if __name__ == "__main__":
    main()
