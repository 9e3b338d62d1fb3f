"""Measures what the housing pipeline is made of: nearest stations, features of earlier rows, a REST service, PostgreSQL.

Nearest and earlier rows stand beside the same features by hand (homes_baseline.py), from Parquet to Parquet, and are compared with
them value by value. The service and the database run on this machine and share its cores. Part of `make bench`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import polars as pl

import goals
from measure import MIB, REPOSITORY, latest, row, run

HOMES, STATIONS, SALES = 1_000_000, 300, 5_000_000
MONTHS = (("2022-06", 6), ("2024-12", 36))


def invent(folder, homes, sales):
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
        "homes": lambda: pl.DataFrame({"id": np.arange(homes), "at": days(homes), "price": prices(homes)} | places(homes)),
        "stations": lambda: pl.DataFrame({"name": [f"station {at}" for at in range(STATIONS)]} | places(STATIONS)),
        "sales": lambda: pl.DataFrame({
            "id": np.arange(sales), "at": days(sales), "price": prices(sales), "complex": random.integers(0, 20_000, sales),
        }).with_columns(district=pl.col("complex") % 25),
        "prices": lambda: market(random, homes),
    }
    for name, make in tables.items():
        if not (folder / f"{name}.parquet").exists():
            make().write_parquet(folder / f"{name}.parquet", compression="snappy")


def market(random, rows):
    """Sales with a price that has its reasons: size, floor, age, place, station, a trend, and a tenth of noise."""
    lat, lon = random.uniform(37.4, 37.7, rows), random.uniform(126.8, 127.2, rows)
    days = random.integers(0, 1826, rows)
    columns = {
        "id": np.arange(rows),
        "at": (np.datetime64("2020-01-01") + days).astype("datetime64[D]"),
        "area": random.choice([39.9, 49.8, 59.9, 74.9, 84.9, 101.8, 114.9], rows) + random.uniform(-1, 1, rows),
        "floor": random.integers(1, 31, rows),
        "built": random.integers(1975, 2024, rows),
        "lat": lat,
        "lon": lon,
        "households": random.integers(50, 4000, rows),
        "station_m": random.gamma(2.0, 300.0, rows),
        "district": (np.floor((lat - 37.4) / 0.06) * 5 + np.floor((lon - 126.8) / 0.08)).astype(np.int64),
    }
    centre = np.hypot((lat - 37.52) / 0.15, (lon - 127.03) / 0.2)
    price = 1_200 * columns["area"] * np.exp(
        0.004 * np.minimum(columns["floor"], 20) - 0.008 * (2024 - columns["built"]) - 0.5 * centre
        - 0.0002 * columns["station_m"] + 0.00012 * days + random.normal(0, 0.1, rows)
    )
    return pl.DataFrame(columns | {"price": price.round().astype(np.int64)})


def training(root, folder):
    """(ours, seconds of our fitting, our error, by hand: process, seconds of fitting, error; rows learned from)."""
    environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_FOLDER": str(folder)}
    for tool in ("ingest", "features"):
        run(tool, [REPOSITORY / f"bin/{tool}", "prices", "--quiet"], environment)
    ours = run("train", [REPOSITORY / "bin/train", "prices", "--force", "--log-format", "json"], environment)
    [fitting] = [float(message.rsplit("fitted in ", 1)[1].split()[0]) for message in ours.messages if ": boosted: " in message]
    version = max((root / "data/models/prices").glob("v*"), key=lambda path: int(path.name[1:]))
    error = json.loads((version / "model.json").read_text())["metrics"]["mae"]["value"]
    [table] = [path for path in latest(root, "data/processed/prices/features") if "/training_" in str(path)]
    program = [sys.executable, str(REPOSITORY / "scripts/bench/prices_baseline.py"), str(root / table), str(version / "predictions.parquet")]
    hand = run("by hand", program, os.environ)
    seconds, by_hand, learned, _ = hand.stdout.split()
    return ours, fitting, error, hand, float(seconds), float(by_hand), int(learned)


def features(root, folder, name, names):
    """(ours, by hand, values that differ) for one pipeline, both from the same raw Parquet."""
    environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_FOLDER": str(folder)}
    run("ingest", [REPOSITORY / "bin/ingest", name, "--quiet"], environment)
    ours = run("features", [REPOSITORY / "bin/features", name, "--force", "--quiet"], environment)
    out = root / f"{name}_by_hand.parquet"
    program = [sys.executable, str(REPOSITORY / "scripts/bench/homes_baseline.py"), name, str(folder), str(out)]
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
    waiting = [(district, month) for district in districts for month in months]
    count, lock = 0, threading.Lock()

    def work():
        nonlocal count
        while True:
            with lock:
                if not waiting:
                    return
                district, month = waiting.pop()
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


def service(root, program, latency, spans):
    """(rows, tool, seconds of bare fetching, pages) by number of months, from a service that thinks for `latency` ms."""
    server = subprocess.Popen([program, str(latency)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip().rstrip("/")
    districts = [str(code) for code in range(99110, 99441, 30)]
    found = []
    for last, months in spans:
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
    arguments.add_argument("--share", type=float, default=1, help="of the usual number of rows")
    given = arguments.parse_args()
    root = given.work.resolve() / "homes"
    homes, sales = int(HOMES * given.share), int(SALES * given.share)
    folder = root / f"invented-{homes}"
    invent(folder, homes, sales)
    shutil.rmtree(root / "data", ignore_errors=True)
    resources = root / "resources"
    resources.mkdir(exist_ok=True)
    for name, origin in {"homes": "scripts/bench/resources", "sales": "scripts/bench/resources", "prices": "scripts/bench/resources", "housing": "resources"}.items():
        (resources / name).unlink(missing_ok=True)
        (resources / name).symlink_to(REPOSITORY / origin / name)
    spans = MONTHS if given.share == 1 else MONTHS[:1]
    # First, while this process is small: a child's peak memory begins with that of its parent.
    served = [(latency, *found) for latency in (0, 20) for found in service(root, given.examples / "apartment_api", latency, spans)]
    lines = ["### Homes", "", row("features", "rows", "seconds", "by hand", "share", "peak MiB", "by hand", "values that differ")]
    lines.append(row("---", *["---:"] * 7))
    for name, rows, what, names in [
        ("homes", homes, f"nearest of {STATIONS} stations", ["subway_distance_m"]),
        ("sales", sales, "mean of 90 days, last, count of 365 days", ["district_mean_90d", "complex_last", "complex_sales_365d"]),
    ]:
        ours, hand, differ = features(root, folder, name, names)
        goals.note(f"features of `{name}`, time by that of the job by hand, {rows:,} rows", ours.seconds / hand.seconds)
        lines.append(row(what, f"{rows:,}", f"{ours.seconds:.2f}", f"{hand.seconds:.2f}", f"{ours.seconds / hand.seconds:.2f}",
                         f"{ours.memory / MIB:,.0f}", f"{hand.memory / MIB:,.0f}", f"{differ:,}"))
    ours, fitting, error, hand, by_hand, other, learned = training(root, folder)
    goals.note(f"fitting a regression, time by that of Python, {learned:,} rows", fitting / by_hand)
    lines += ["", row("training, 200 trees", "rows", "fitting, s", "Python LightGBM, s", "share", "MAE", "Python's", "whole stage, s"),
              row("---", *["---:"] * 7),
              row("regression on 8 features", f"{learned:,}", f"{fitting:.2f}", f"{by_hand:.2f}", f"{fitting / by_hand:.2f}",
                  f"{error:,.0f}", f"{other:,.0f}", f"{ours.seconds:.2f}")]
    lines += ["", row("REST service", "rows", "seconds", "rows/s", "bare fetching, s", "peak MiB"), row("---", *["---:"] * 5)]
    for latency, rows, done, bare, requests in served:
        what = f"{requests:,} pages, each after {latency} ms" if latency else f"{requests:,} pages"
        lines.append(row(what, f"{rows:,}", f"{done.seconds:.2f}", f"{rows / done.seconds:,.0f}", f"{bare:.2f}",
                         f"{done.memory / MIB:,.0f}"))
    rate = subprocess.run([given.examples / "postgres_rate"], capture_output=True, text=True, check=True).stdout.split("\n")
    rates = ", ".join(line.split(": ")[1] for line in rate if ": " in line) or "not measured: no PostgreSQL on this machine"
    lines += ["", f"PostgreSQL, 2 M rows of five columns into typed batches, five times: {rates}.", ""]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
