"""The features of scripts/bench/resources/{homes,sales} by hand: polars, and scipy's tree of nearest points.

    python homes_baseline.py homes|sales FOLDER OUT.parquet
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy.spatial import cKDTree

RADIUS = 6_371_008.8


def on_sphere(rows):
    lat, lon = np.radians(rows["lat"].to_numpy()), np.radians(rows["lon"].to_numpy())
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def homes(folder, out):
    rows = pl.read_parquet(folder / "homes.parquet")
    chord, _ = cKDTree(on_sphere(pl.read_parquet(folder / "stations.parquet"))).query(on_sphere(rows), workers=-1)
    metres = 2 * RADIUS * np.arcsin(chord / 2)
    rows.select("id", "at", "price", subway_distance_m=pl.Series(metres)).write_parquet(out, compression="snappy")


def sales(folder, out):
    rows = pl.read_parquet(folder / "sales.parquet").sort("at", maintain_order=True)
    # The last price before the day: that of the last row of an earlier day.
    last = rows.group_by("complex", "at", maintain_order=True).agg(complex_last=pl.col("price").last()).sort("at")
    rows = rows.with_columns(one=pl.lit(1, pl.Int64)).with_columns(
        district_mean_90d=pl.col("price").rolling_mean_by("at", "90d", closed="left").over("district"),
        complex_sales_365d=pl.col("one").rolling_sum_by("at", "365d", closed="left").over("complex"),
    )
    rows = rows.join_asof(last, on="at", by="complex", strategy="backward", allow_exact_matches=False)
    names = ["id", "at", "price", "district_mean_90d", "complex_last", "complex_sales_365d"]
    rows.select(names).write_parquet(out, compression="snappy")


if __name__ == "__main__":
    {"homes": homes, "sales": sales}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
