"""`ingest` of a CSV file beside polars' own reader, in turn; the faster of two turns each counts.

    python reading.py --work FOLDER [--turns 2] ROWS...

`ingest` types every cell, sets rows aside of which a cell is not of its type, notes file and row of each row, writes Parquet, sums up every
column and hashes what it writes. polars is measured in two ways, each from CSV to Parquet and from CSV to memory: with the types that it
reads fastest (moments stay texts), and with moments typed, too.
"""

import argparse
import os
import sys
from pathlib import Path

import goals
from measure import MIB, REPOSITORY, make_log, project, row, run

BY_POLARS = """
import sys
import polars as pl
log, out, moments, target = sys.argv[1:]
types = dict(order_id=pl.Int64, customer_id=pl.Int64, ordered_at=pl.String, product=pl.String, category=pl.String, channel=pl.String,
             quantity=pl.Int64, unit_price=pl.Float64, amount=pl.Float64)
rows = pl.scan_csv(log, schema=types, ignore_errors=True).select(pl.exclude("unit_price"))
if moments == "typed":
    rows = rows.with_columns(pl.col("ordered_at").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False))
if target == "parquet":
    rows.sink_parquet(out, compression="snappy")
else:
    print(rows.collect(engine="streaming").height)
"""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--turns", type=int, default=2)
    arguments.add_argument("rows", type=int, nargs="+")
    given = arguments.parse_args()
    print(row("CSV to", "rows", "seconds", "rows/s", "CPU seconds", "peak MiB", "`ingest`, rows/s by these"))
    print(row("---", *["---:"] * 6))
    for rows in given.rows:
        root = project(given.work, rows)
        log = make_log(root, rows)
        environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_LOG": str(log), "BENCH_ROWS": str(rows)}
        script, out = root / "by_polars.py", root / "by_polars.parquet"
        script.write_text(BY_POLARS)
        sides = {"`ingest`": ([REPOSITORY / "bin/ingest", "bench", "--force", "--quiet"], environment)}
        for target, where in (("parquet", "Parquet"), ("memory", "memory")):
            for moments, how in (("typed", "moments typed"), ("text", "moments as texts")):
                sides[f"{where} by polars, {how}"] = ([sys.executable, script, log, out, moments, target], dict(os.environ))
        best = {}
        for _ in range(given.turns):
            for name, (command, variables) in sides.items():
                done = run(name, command, variables)
                best[name] = min(best.get(name, done), done, key=lambda done: done.seconds)
        out.unlink()
        ours = best["`ingest`"]
        for name, done in best.items():
            ratio = done.seconds / ours.seconds
            shown = "" if done is ours else f"{ratio:.2f}"
            print(row(name, f"{rows:,}", f"{done.seconds:.2f}", f"{rows / done.seconds:,.0f}", f"{done.cpu:.2f}", f"{done.memory / MIB:,.0f}", shown))
            if done is not ours:
                # The goal is about the same work: typed. The time for less work is printed beside it.
                is_goal = "typed" in name
                goals.note(f"`ingest`, rows/s by those of {name.replace(' by polars', '')} by polars, {rows:,} rows", ratio, at_least=0.9 if is_goal else None)


if __name__ == "__main__":
    main()
