"""Measures what the housing pipeline is made of: nearest stations, features of earlier rows, a REST service, PostgreSQL.

Nearest and earlier rows stand beside the same features by hand (homes_baseline.py), from Parquet to Parquet, and are compared with
them value by value. The service and the database run on this machine and share its cores. Part of `make bench`.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import polars as pl

from measure import MIB, REPOSITORY, latest, row, run

HOMES, STATIONS, SALES = 1_000_000, 300, 5_000_000


def invent(folder):
    """Homes and stations over a city; sales over five years, 25 districts, 20,000 complexes."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)

    def places(rows):
        return {"lat": random.uniform(37.4, 37.7, rows), "lon": random.uniform(126.8, 127.2, rows)}

    def days(rows):
        return (np.datetime64("2020-01-01") + random.integers(0, 1826, rows)).astype("datetime64[D]")

    def prices(rows):
        return random.integers(10_000, 200_000, rows)

    tables = {
        "homes": lambda: pl.DataFrame({"id": np.arange(HOMES), "at": days(HOMES), "price": prices(HOMES)} | places(HOMES)),
        "stations": lambda: pl.DataFrame({"name": [f"station {at}" for at in range(STATIONS)]} | places(STATIONS)),
        "sales": lambda: pl.DataFrame({
            "id": np.arange(SALES), "at": days(SALES), "price": prices(SALES), "complex": random.integers(0, 20_000, SALES),
        }).with_columns(district=pl.col("complex") % 25),
    }
    for name, make in tables.items():
        if not (folder / f"{name}.parquet").exists():
            make().write_parquet(folder / f"{name}.parquet", compression="snappy")


def features(root, name, names):
    """(ours, by hand, values that differ) for one pipeline, both from the same raw Parquet."""
    environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_FOLDER": str(root / "invented")}
    run("ingest", [REPOSITORY / "bin/ingest", name, "--quiet"], environment)
    ours = run("features", [REPOSITORY / "bin/features", name, "--force", "--quiet"], environment)
    out = root / f"{name}_by_hand.parquet"
    program = [sys.executable, str(REPOSITORY / "scripts/bench/homes_baseline.py"), name, str(root / "invented"), str(out)]
    hand = run("by hand", program, os.environ)
    [table] = [path for path in latest(root, f"data/processed/{name}/features") if "/training_" in str(path)]
    left = pl.read_parquet(root / table).sort("id")
    right = pl.read_parquet(out).sort("id")
    differ = 0
    for column in names:
        one, two = left[column].cast(pl.Float64), right[column].cast(pl.Float64)
        if column.endswith(("_365d", "_90d")) and "sales" in column:  # a sum of nothing is null by hand, a count of nothing 0 here
            two = two.fill_null(0)
        near = ((one - two).abs() <= 1e-6 * two.abs() + 1e-6) | (one.is_null() & two.is_null())
        differ += int((~near.fill_null(False)).sum())
    return ours, hand, differ


def fetch(address, districts, months):
    """Every page of every district and month by four bare connections, nothing read out of them: the service's own speed."""
    asked = [(district, month) for district in districts for month in months]
    count, lock = 0, threading.Lock()

    def work():
        nonlocal count
        while True:
            with lock:
                if not asked:
                    return
                district, month = asked.pop()
            for table in ("trades", "leases"):
                url = f"{address}/{table}?serviceKey=demo&numOfRows=1000&LAWD_CD={district}&DEAL_YMD={month}&pageNo=1"
                with urllib.request.urlopen(url) as answer:
                    answer.read()
                with lock:
                    count += 1

    began = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, count


def service(root, program):
    """(rows, tool, seconds of bare fetching) by number of months."""
    server = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip().rstrip("/")
    districts = [str(code) for code in range(99110, 99441, 30)]
    found = []
    for last, months in (("2022-06", 6), ("2024-12", 36)):
        names = [f"{2022 + at // 12}{at % 12 + 1:02}" for at in range(months)]
        environment = os.environ | {"MILLRACE_ROOT": str(root), "HOUSING_API": address, "HOUSING_TO": last}
        done = run("ingest", [REPOSITORY / "bin/ingest", "housing", "--full", "--log-format", "json"], environment)
        rows = sum(pl.scan_parquet(root / path).select(pl.len()).collect().item() for path in latest(root, "data/raw/housing"))
        found.append((rows, done, *fetch(address, districts, names)))
    server.communicate("")
    return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--examples", type=Path, required=True)
    given = arguments.parse_args()
    root = given.work.resolve() / "homes"
    invent(root / "invented")
    resources = root / "resources"
    resources.mkdir(exist_ok=True)
    for name, origin in {"homes": "scripts/bench/resources", "sales": "scripts/bench/resources", "housing": "resources"}.items():
        if not (resources / name).exists():
            (resources / name).symlink_to(REPOSITORY / origin / name)
    print("bench: homes", file=sys.stderr)
    # First, while this process is small: a child's peak memory begins with that of its parent.
    served = service(root, given.examples / "apartment_api")
    lines = ["### Homes", "", row("features", "rows", "seconds", "by hand", "share", "peak MiB", "by hand", "values that differ")]
    lines.append(row("---", *["---:"] * 7))
    for name, rows, what, names in [
        ("homes", HOMES, f"nearest of {STATIONS} stations", ["subway_distance_m"]),
        ("sales", SALES, "mean of 90 days, last, count of 365 days", ["district_mean_90d", "complex_last", "complex_sales_365d"]),
    ]:
        ours, hand, differ = features(root, name, names)
        lines.append(row(what, f"{rows:,}", f"{ours.seconds:.2f}", f"{hand.seconds:.2f}", f"{ours.seconds / hand.seconds:.2f}",
                         f"{ours.memory / MIB:,.0f}", f"{hand.memory / MIB:,.0f}", f"{differ:,}"))
    lines += ["", row("REST service", "rows", "seconds", "rows/s", "bare fetching, s", "peak MiB"), row("---", *["---:"] * 5)]
    for rows, done, bare, requests in served:
        lines.append(row(f"{requests:,} pages", f"{rows:,}", f"{done.seconds:.2f}", f"{rows / done.seconds:,.0f}", f"{bare:.2f}",
                         f"{done.memory / MIB:,.0f}"))
    rate = subprocess.run([given.examples / "postgres_rate"], capture_output=True, text=True, check=True).stdout.split("\n")
    rates = ", ".join(line.split(": ")[1] for line in rate if ": " in line) or "not measured: no PostgreSQL on this machine"
    lines += ["", f"PostgreSQL, 2 M rows of five columns into typed batches, five times: {rates}.", ""]
    text = "\n".join(lines)
    with (given.work / "report.md").open("a") as out:
        out.write("\n" + text)
    print(text)


if __name__ == "__main__":
    main()
