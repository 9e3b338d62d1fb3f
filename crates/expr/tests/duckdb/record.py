"""Writes recorded.tsv: each expression of expressions.txt as DuckDB computes it; calendar.tsv and windows.tsv. Run it with a Python that has duckdb.

    python3 crates/expr/tests/duckdb/record.py
"""

import datetime
import decimal
import pathlib
import random

import duckdb

here = pathlib.Path(__file__).parent
connection = duckdb.connect()
connection.execute("""
    CREATE TABLE t AS SELECT * FROM (VALUES
        (1::TINYINT, 100::INTEGER, 5::BIGINT, 1.5::DOUBLE, 'b', true, DATE '2024-01-31', 12.50::DECIMAL(10, 2)),
        (2::TINYINT, 200::INTEGER, NULL, 2.5::DOUBLE, 'a', false, DATE '2024-02-29', -0.75::DECIMAL(10, 2)),
        (2::TINYINT, NULL, 7::BIGINT, NULL, NULL, NULL, NULL, NULL),
        (4::TINYINT, -50::INTEGER, 9::BIGINT, -4.0::DOUBLE, 'c', true, DATE '2023-12-01', 3.25::DECIMAL(10, 2))
    ) v(a, n, k, x, s, b, d, m)
""")


def shown(value):
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case datetime.datetime():
            return value.isoformat(sep=" ")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return f"{value.total_seconds()} s"
        case float() | int() | decimal.Decimal():
            return format(value, "f") if isinstance(value, decimal.Decimal) else repr(value)
        case _:
            return str(value)


lines = [f"# DuckDB {duckdb.__version__}, written by record.py"]
for line in (here / "expressions.txt").read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    try:
        try:
            # Windows reorder rows: back to those of the table.
            query = f"SELECT value FROM (SELECT a, k, n, {line} AS value FROM t) ORDER BY a, k NULLS FIRST"
            rows = connection.execute(query).fetchall()
        except duckdb.BinderException:
            rows = connection.execute(f"SELECT {line} FROM t").fetchall()
        lines.append("\t".join([line] + [shown(row[0]) for row in rows]))
    except duckdb.Error:
        lines.append(f"{line}\terror")
(here / "recorded.tsv").write_text("\n".join(lines) + "\n")

# Random moments, two to a line, and what functions of the calendar give for them.
CALENDAR = (
    [f"extract({part} FROM t)" for part in (
        "year isoyear quarter month week day dow isodow doy hour minute second millisecond microsecond".split()
    )]
    + [f"date_trunc('{part}', t)" for part in "year quarter month week day hour minute second".split()]
    + [f"date_diff('{part}', t, u)" for part in "year quarter month day hour minute second".split()]
    + ["last_day(t)", "t + INTERVAL '1 month'", "t - INTERVAL '13 months'", "t + INTERVAL '1 year 1 month 1 day 90 minutes'"]
    + ["CAST(t AS DATE) - CAST(u AS DATE)", "t < u", "CAST(t AS VARCHAR)", "strftime(t, '%d.%m.%Y %H:%M:%S.%f %j %A %b %y %I %p')"]
)
generator = random.Random(20240229)


def moment():
    ends = [datetime.datetime(year, 2, 28) for year in (1900, 2000, 2023, 2024)] + [datetime.datetime(2024, 12, 30)]
    if generator.random() < 0.4:
        return generator.choice(ends) + datetime.timedelta(microseconds=generator.randrange(3 * 86400 * 10**6))
    return datetime.datetime(1700, 1, 1) + datetime.timedelta(microseconds=generator.randrange(700 * 365 * 86400 * 10**6))


lines = [f"# DuckDB {duckdb.__version__}, written by record.py", "\t".join(["t", "u"] + CALENDAR)]
for _ in range(150):
    t, u = moment(), moment()
    query = f"SELECT {', '.join(CALENDAR)} FROM (SELECT TIMESTAMP '{t}' AS t, TIMESTAMP '{u}' AS u)"
    lines.append("\t".join([str(t), str(u)] + [shown(value) for value in connection.execute(query).fetchone()]))
(here / "calendar.tsv").write_text("\n".join(lines) + "\n")

# Random groups with ties and nulls, and what windows and aggregates give for them.
WINDOWS = [
    *(f"{f}(v) OVER (PARTITION BY g)" for f in "sum avg min max count median stddev stddev_pop variance var_pop".split()),
    "quantile_cont(v, 0.3) OVER (PARTITION BY g)",
    "count(DISTINCT v) OVER (PARTITION BY g)",
    "bool_and(v > 0) OVER (PARTITION BY g)",
    "bool_or(v > 5) OVER (PARTITION BY g)",
    *(f"{f}(v) OVER (PARTITION BY g ORDER BY o{how})" for f in "sum min max count".split()
      for how in ("", " DESC", " NULLS FIRST", " DESC NULLS FIRST")),
    *(f"{f}(v) OVER (ORDER BY o, i ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)" for f in "sum min max count".split()),
    "count(*) OVER (PARTITION BY g ORDER BY o)",
    "count(*) FILTER (WHERE v > 0) OVER (PARTITION BY g)",
    "sum(v) FILTER (WHERE o > 2) OVER (PARTITION BY g ORDER BY o)",
    "rank() OVER (PARTITION BY g ORDER BY o)",
    "dense_rank() OVER (PARTITION BY g ORDER BY o DESC)",
    "row_number() OVER (PARTITION BY g ORDER BY o, i)",
    "lag(v) OVER (PARTITION BY g ORDER BY o, i)",
    "lag(v, 2) OVER (ORDER BY i DESC)",
    "lead(v) OVER (PARTITION BY g ORDER BY o, i)",
    "first_value(v) OVER (PARTITION BY g ORDER BY o, i)",
    "last_value(v) OVER (PARTITION BY g ORDER BY o, i)",
    "v - avg(v) OVER (PARTITION BY g)",
]
rows = []
for number in range(60):
    group = generator.choice(["a", "b", "c", None])
    order = generator.choice([None, 1, 2, 3, 4])
    value = generator.choice([None, -3, 0, 1, 2, 7, 10])
    rows.append((number, group, order, value))
connection.execute("CREATE TABLE w(i BIGINT, g VARCHAR, o BIGINT, v BIGINT)")
connection.executemany("INSERT INTO w VALUES (?, ?, ?, ?)", rows)
lines = [f"# DuckDB {duckdb.__version__}, written by record.py", "\t".join(["i", "g", "o", "v"] + WINDOWS)]
values = [
    [row[0] for row in connection.execute(f"SELECT x FROM (SELECT i, {sql} AS x FROM w) ORDER BY i").fetchall()]
    for sql in WINDOWS
]
for number, row in enumerate(rows):
    lines.append("\t".join(shown(value) for value in list(row) + [column[number] for column in values]))
(here / "windows.tsv").write_text("\n".join(lines) + "\n")
