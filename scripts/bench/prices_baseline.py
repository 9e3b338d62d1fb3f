"""The training of scripts/bench/resources/prices by hand: LightGBM on the same table of features, split by the same days.

    python prices_baseline.py TRAINING.parquet TEST_PREDICTIONS.parquet

prints the seconds of building the data set and growing the trees, and the mean absolute error on the same test rows.
"""

import sys
import time

import lightgbm as lgb
import numpy as np
import polars as pl

PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "seed": 42,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
FEATURES = ["area", "floor", "built", "lat", "lon", "households", "station_m", "district_mean_90d"]


def main(training, predictions):
    rows = pl.read_parquet(training).sort("at", maintain_order=True)
    test = pl.read_parquet(predictions, columns=["id"])
    first = rows.filter(pl.col("id").is_in(test["id"].implode()))["at"].min()
    # 70 of the 85 parts before the test part are for training, as `split` says.
    before = rows.filter(pl.col("at") < first)
    days = before["at"].sort()
    cut = days[int(len(rows) * 0.70)]
    parts = [before.filter(pl.col("at") <= cut), before.filter(pl.col("at") > cut), rows.filter(pl.col("at") >= first)]
    matrices = [part.select(pl.col(FEATURES).cast(pl.Float64)).to_numpy() for part in parts]
    labels = [part["price"].to_numpy() for part in parts]
    began = time.perf_counter()
    data = lgb.Dataset(matrices[0], labels[0], feature_name=FEATURES, free_raw_data=True)
    check = lgb.Dataset(matrices[1], labels[1], reference=data)
    model = lgb.train(PARAMETERS | {"num_threads": 2}, data, num_boost_round=200, valid_sets=[check])
    seconds = time.perf_counter() - began
    error = float(np.abs(model.predict(matrices[2]) - labels[2]).mean())
    print(f"{seconds:.3f} {error:.2f} {len(labels[0])} {len(labels[2])}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
