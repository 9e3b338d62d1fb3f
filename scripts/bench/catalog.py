"""How long `catalog` takes on a project of many artifacts and many tables.

    python3 scripts/bench/catalog.py --bin bin --work target/bench/catalog [--artifacts 10000] [--tables 100]

One pipeline of 50 raw and 50 clean tables with 20 columns each is run; its artifacts are then copied under other times until there
are enough. So footers are real, and so is the work of reading them. The fastest of three runs counts; the disk cache is warm.
"""

import argparse
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import goals


def project(root, tables, binaries):
    shutil.rmtree(root, ignore_errors=True)
    (root / "resources/wide").mkdir(parents=True)
    columns = 20
    head = ",".join(f"c{number}" for number in range(columns))
    rows = (",".join(str((row * (number + 3)) % 97 / 4) for number in range(columns)) for row in range(300))
    (root / "wide.csv").write_text(head + "\n" + "\n".join(rows) + "\n")
    names = [f"t{number:03}" for number in range(tables // 2)]
    ingest = "".join(f"  {name}: {{source: {{file: {{path: wide.csv}}}}}}\n" for name in names)
    (root / "resources/wide/ingest.yaml").write_text("tables:\n" + ingest)
    clean = "".join(
        f"  {name}:\n    from: {names[at // 2]}\n    steps:\n      - derive: {{total: c0 + c{1 + at % 19}}}\n"
        for at, name in enumerate(names)
    )
    checks = "".join(f"  {name}:\n    - row_count: {{min: 1}}\n" for name in names)
    (root / "resources/wide/clean.yaml").write_text(f"tables:\n{clean}checks:\n{checks}")
    for tool in ("ingest", "clean"):
        subprocess.run([binaries / tool, "wide"], cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def multiplied(root, artifacts):
    """Copies artifacts under earlier times until there are so many."""
    stamp = re.compile(r"_\d{8}_\d{6}\.parquet$")
    folders = [root / "data/raw/wide", root / "data/processed/wide/clean"]
    originals = [path for folder in folders for path in sorted(folder.glob("*.parquet"))]
    for copy in range(max(0, artifacts - len(originals))):
        original, turn = originals[copy % len(originals)], copy // len(originals)
        name = stamp.sub(f"_2020{1 + turn // 28 % 12:02}{1 + turn % 28:02}_{turn // 336:06}.parquet", original.name)
        os.link(original, original.with_name(name))
    return len(originals)


def fastest(command, root):
    best = None
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        best = min(best or 1e9, time.perf_counter() - began)
    return best, done.stdout.count(b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path("bin"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--artifacts", type=int, default=10_000)
    parser.add_argument("--tables", type=int, default=100)
    options = parser.parse_args()
    binaries, root = options.bin.resolve(), options.work.resolve()
    project(root, options.tables, binaries)
    catalog = binaries / "catalog"
    seconds, _ = fastest([catalog, "docs"], root)
    print(f"site of {options.tables} tables: {seconds:.2f} s")
    goals.note(f"site of {options.tables} tables", seconds, " s", at_most=5)
    multiplied(root, options.artifacts)
    seconds, lines = fastest([catalog, "--find", "t01", "--json"], root)
    print(f"{options.artifacts} artifacts listed and filtered: {seconds:.2f} s, {lines} tables found")
    goals.note(f"{options.artifacts:,} artifacts listed and filtered", seconds, " s", at_most=1)
    seconds, _ = fastest([catalog, "prune", "--keep", "30d"], root)
    print(f"what could be pruned of {options.artifacts} artifacts: {seconds:.2f} s")
    began = time.perf_counter()
    subprocess.run([catalog, "prune", "--keep", "30d", "--yes"], cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"pruned: {time.perf_counter() - began:.2f} s")
    seconds, _ = fastest([catalog, "--help"], root)
    print(f"--help: {1e3 * seconds:.0f} ms")
    goals.note("`catalog --help`", 1e3 * seconds, " ms", at_most=10)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
