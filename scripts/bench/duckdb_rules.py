"""Runs `clean` on the raw table of the `bench` pipeline and the same rules in DuckDB's SQL; prints a Markdown table.

    python duckdb_rules.py --work FOLDER ROWS...

What measure.py made with the same folder and sizes is used again. DuckDB reads the same Parquet file, keeps the order of the rows and writes Parquet
with Snappy. It does not write refused rows, a change log or evidence. Both tables must be equal, value by value.
"""

import argparse
import os
import sys
from pathlib import Path

import goals
import polars
from measure import MIB, REPOSITORY, TURNS, latest, make_log, project, row, run

SQL = """
SET preserve_insertion_order = true;
CREATE TEMP VIEW tidy AS
SELECT order_id, customer_id, ordered_at, product, coalesce({category}, 'unknown') AS category, coalesce({channel}, 'unknown') AS channel,
       quantity, amount, _file, _row
FROM read_parquet('{raw}') WHERE customer_id IS NOT NULL AND ordered_at IS NOT NULL AND amount IS NOT NULL;
COPY (
  SELECT * EXCLUDE (turn), amount < 0 AS is_return
  FROM (SELECT *, CASE WHEN order_id IS NULL THEN 1 ELSE row_number() OVER (PARTITION BY order_id ORDER BY _file, _row) END AS turn FROM tidy)
  WHERE turn = 1 AND amount BETWEEN -100000 AND 100000
  ORDER BY _file, _row
) TO '{out}' (FORMAT parquet, COMPRESSION snappy);
SELECT count(*), count(DISTINCT order_id), count(*) FILTER (category NOT IN
  ('grocery', 'books', 'beauty', 'clothing', 'toys', 'home', 'sports', 'electronics', 'unknown')), avg(amount) FROM read_parquet('{out}');
"""


def by_sql(raw, out):
    sql = SQL.format(raw=raw, out=out, category="lower(trim(category))", channel="lower(trim(channel))")
    script = out.with_name("by_sql.py")
    script.write_text(f"import duckdb\nprint(duckdb.execute({sql!r}).fetchall())\n")
    return run("DuckDB", [sys.executable, script], dict(os.environ))


def same(ours, theirs):
    """Whether both tables hold the same rows, in the same order."""
    columns = ["order_id", "customer_id", "ordered_at", "product", "category", "channel", "quantity", "amount", "is_return", "_file", "_row"]
    one, other = (polars.read_parquet(path, columns=columns) for path in (ours, theirs))
    return one.equals(other.cast(dict(one.schema)))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("rows", type=int, nargs="+")
    given = arguments.parse_args()
    print(row("rows", "`clean`, s", "DuckDB, s", "time", "`clean`, MiB", "DuckDB, MiB", "memory"))
    print(row("---:", *["---:"] * 6))
    for rows in given.rows:
        root = project(given.work, rows)
        environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_LOG": str(make_log(root, rows)), "BENCH_ROWS": str(rows)}
        run("ingest", [REPOSITORY / "bin/ingest", "bench", "--quiet"], environment)
        raw, out = root / latest(root, "data/raw/bench")[0], root / "duckdb.parquet"
        turns = [
            (run("clean", [REPOSITORY / "bin/clean", "bench", "--force", "--quiet"], environment), by_sql(raw, out)) for _ in range(TURNS)
        ]
        ours, theirs = (min(side, key=lambda done: done.seconds) for side in zip(*turns))
        if not same(root / latest(root, "data/processed/bench/clean")[0], out):
            sys.exit(f"duckdb_rules.py: the tables of {rows:,} rows differ")
        goals.note(f"`clean`, time by that of DuckDB, {rows:,} rows", ours.seconds / theirs.seconds, at_most=1)
        goals.note(f"`clean`, memory by that of DuckDB, {rows:,} rows", ours.memory / theirs.memory)
        print(
            row(
                f"{rows:,}",
                f"{ours.seconds:.2f}",
                f"{theirs.seconds:.2f}",
                f"{ours.seconds / theirs.seconds:.2f}",
                f"{ours.memory / MIB:,.0f}",
                f"{theirs.memory / MIB:,.0f}",
                f"{ours.memory / theirs.memory:.2f}",
            )
        )


if __name__ == "__main__":
    main()
