"""Forecasts of many series: Millrace beside the same job by hand in polars and LightGBM, and beside mlforecast for its part.

    python series.py --work FOLDER [--stores 100] [--products 100] [--weeks 200]

The job: from one row per store, product and week to features (lags, rolling means and spreads, the same week of the year before, the
level of the store, calendar), four rolling origins with a LightGBM model each, one more model of all rows, and the forecast of
the four weeks to come. All sides read the same Parquet file, use the same features, parameters and number of threads. Seconds by the
clock and of CPU, and the peak of resident memory; each side runs as often as --turns says, in turn, and the best counts. mlforecast
computes its own way (recursive forecasts, its own cross-validation with four windows) and is named for its part.
"""

import argparse
import datetime as dt
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import goals

HORIZON, ORIGINS, TREES, CUTOFFS = 4, 4, 100, 24
LAGS, WINDOWS = (1, 2, 3, 4), (4, 13, 26)
PARAMETERS = dict(objective="regression", learning_rate=0.1, num_leaves=31, min_data_in_leaf=20, verbosity=-1, seed=42)

INGEST = """tables:
  sales:
    source: {{generate: {{market: {{stores: {stores}, products: {products}, weeks: {weeks}, planned: 0, dirt: 0, from: 2021-01-04}}}}}}
    columns: {{week: date, store: string, region: string, product: string, category: string, units: int64, price: float64,
      promotion: int64, out_of_stock: int64}}
"""
FEATURES = """table: sales
time: week
series: {by: [store, product], every: 1w, horizon: 4, gaps: keep, active_within: 1w, history: 26w}
cutoffs: {every: 4w, count: 24}
label: {name: units, is: {sql: units}}
features:
  horizon: {sql: horizon}
  week_of_year: {sql: EXTRACT(WEEK FROM week)}
  lag_1: {lag: {of: units, periods: 1}}
  lag_2: {lag: {of: units, periods: 2}}
  lag_3: {lag: {of: units, periods: 3}}
  lag_4: {lag: {of: units, periods: 4}}
  mean_4: {mean: {of: units, window: 4w}}
  mean_13: {mean: {of: units, window: 13w}}
  mean_26: {mean: {of: units, window: 26w}}
  std_13: {std: {of: units, window: 13w}}
  smooth: {ewm_mean: {of: units, halflife: 4}}
  last_year: {lag: {of: units, periods: 52, counted_from: target}}
  store_4: {mean: {of: units, by: store, window: 4w}}
"""
TRAIN = """table: training
label: units
task: regression
entity: series
time: week
split: {by: time, column: cutoff, shares: [0.75, 0.15, 0.10]}
folds: 4
experiments: {boosted: {lightgbm: {trees: 100, learning_rate: 0.1}}}
choose_by: wape
resamples: 100
promote: {when: better}
"""


def measured(command, **more):
    """Seconds by the clock, of CPU, and the peak of memory in MiB of a command and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
    peak, status = 0, None
    while status is None:
        try:
            status = process.wait(0.02)
        except subprocess.TimeoutExpired:
            try:
                text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")), 0))
            except (FileNotFoundError, ProcessLookupError):
                pass
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        sys.exit(f"{' '.join(map(str, command))}: {status}\n{process.stderr.read()}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak / 1024


# By hand -------------------------------------------------------------------------------------------------------------------------


def by_hand(table, keep=None):
    import lightgbm as lgb
    import numpy as np
    import polars as pl

    key = ["store", "product"]
    rows = pl.read_parquet(table, columns=[*key, "week", "units"])
    newest = rows["week"].max() + dt.timedelta(weeks=1)
    # One week more than there are sales of: the features of the cutoff after the last one are those of its row.
    weeks = pl.date_range(rows["week"].min(), newest, "1w", eager=True).alias("week")
    first = rows.group_by(key).agg(first=pl.col("week").min())
    full = first.join(weeks.to_frame(), how="cross").join(rows, on=[*key, "week"], how="left")
    full = full.sort(*key, "week").with_columns(pl.col("units").cast(pl.Float64))
    store = rows.group_by("store", "week").agg(pl.col("units").sum().alias("store_units"))
    store = rows.select("store").unique().join(weeks.to_frame(), how="cross").join(store, on=["store", "week"], how="left").sort("store", "week")
    store = store.with_columns(pl.col("store_units").rolling_mean(4, min_samples=1).shift(1).over("store").alias("store_4"))
    units = pl.col("units")
    full = full.join(store.select("store", "week", "store_4"), on=["store", "week"]).sort(*key, "week").with_columns(
        *[units.shift(lag).over(key).alias(f"lag_{lag}") for lag in LAGS],
        *[units.rolling_mean(size, min_samples=1).shift(1).over(key).alias(f"mean_{size}") for size in WINDOWS],
        units.rolling_std(13, min_samples=2).shift(1).over(key).alias("std_13"),
        units.ewm_mean(half_life=4, ignore_nulls=False).shift(1).over(key).alias("smooth"),
    )
    names = [*[f"lag_{lag}" for lag in LAGS], *[f"mean_{size}" for size in WINDOWS], "std_13", "smooth", "store_4"]
    by_target = full.select(*key, "week", label=units)
    year = full.select(*key, pl.col("week").dt.offset_by("52w").alias("week"), last_year=units)
    cutoffs = [newest - dt.timedelta(weeks=HORIZON + 4 * back) for back in range(CUTOFFS)][::-1]

    def examples(at, cutoff):
        parts = []
        for ahead in range(HORIZON):
            week = cutoff + dt.timedelta(weeks=ahead)
            parts.append(at.select(*key, *names).with_columns(week=pl.lit(week), horizon=pl.lit(ahead + 1, pl.Int64),
                                                                 cutoff=pl.lit(cutoff), week_of_year=pl.lit(week).dt.week()))
        joined = pl.concat(parts).join(by_target, on=[*key, "week"], how="left")
        return joined.join(year, on=[*key, "week"], how="left")

    is_old = pl.col("week") >= pl.col("first").dt.offset_by("26w")
    at = lambda cutoff: full.filter((pl.col("week") == cutoff) & pl.col("lag_1").is_not_null() & is_old)
    training = pl.concat([examples(at(cutoff), cutoff) for cutoff in cutoffs]).drop_nulls("label")
    scoring = examples(at(newest), newest)
    features = [*names, "horizon", "week_of_year", "last_year"]
    if keep:
        # Not measured: what it computes, so that it can be compared.
        training.select(*key, "cutoff", "week", "label", *features).write_parquet(keep)
        return
    matrix = lambda frame: frame.select(features).to_numpy().astype(np.float32)

    def fit(frame):
        return lgb.train(PARAMETERS, lgb.Dataset(matrix(frame), frame["label"].to_numpy()), TREES)

    errors = []
    for origin in cutoffs[-ORIGINS:]:
        model = fit(training.filter(pl.col("week") < origin))
        judged = training.filter(pl.col("cutoff") == origin)
        guess = model.predict(matrix(judged))
        errors.append(float(np.abs(guess - judged["label"]).sum() / judged["label"].sum()))
    scores = scoring.with_columns(pl.Series("score", fit(training).predict(matrix(scoring))))
    scores.select(*key, "cutoff", "week", "score").write_parquet(pathlib.Path(table).with_name("by_hand.parquet"))
    print(json.dumps({"wape": errors, "rows": training.height, "scores": scores.height}))


def by_mlforecast(table):
    import lightgbm as lgb
    import pandas as pd
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean, RollingStd

    rows = pd.read_parquet(table, columns=["store", "product", "week", "units"]).dropna()
    rows["unique_id"] = rows["store"].astype(str) + "/" + rows["product"].astype(str)
    rows = rows.rename(columns={"week": "ds", "units": "y"})[["unique_id", "ds", "y"]]
    rows["ds"] = pd.to_datetime(rows["ds"])
    span = rows.groupby("unique_id")["ds"].agg(["min", "max"])
    full = pd.concat([pd.DataFrame({"unique_id": one, "ds": pd.date_range(low, high, freq="7D")}) for one, low, high in span.itertuples()])
    rows = full.merge(rows, how="left").sort_values(["unique_id", "ds"])
    rows["y"] = rows.groupby("unique_id")["y"].ffill().astype(float)
    transforms = {1: [RollingMean(4, 1), RollingMean(13, 1), RollingMean(26, 1), RollingStd(13, 2), ExponentiallyWeightedMean(0.16)]}
    model = lgb.LGBMRegressor(n_estimators=TREES, learning_rate=0.1, num_leaves=31, verbosity=-1, random_state=42)
    forecast = MLForecast({"boosted": model}, freq="7D", lags=[*LAGS, 52], lag_transforms=transforms, date_features=["week"], num_threads=2)
    forecast.cross_validation(rows, n_windows=ORIGINS, h=HORIZON)
    forecast.fit(rows).predict(HORIZON)


def difference(ours, theirs):
    """The largest difference of two tables of examples, relative to the size of the value; rows that only one has are an error."""
    import polars as pl

    key = ["store", "product", "cutoff", "week"]
    ours, theirs = pl.read_parquet(ours).rename({"units": "label"}), pl.read_parquet(theirs)
    if ours.height != theirs.height:
        sys.exit(f"{ours.height} examples here, {theirs.height} by hand")
    both = ours.join(theirs, on=key, suffix="_by_hand")
    if both.height != ours.height:
        sys.exit("the examples are not those by hand")
    largest = 0.0
    for name in [name for name in theirs.columns if name not in key]:
        one, other = both[name].cast(pl.Float64), both[f"{name}_by_hand"].cast(pl.Float64)
        if (one.is_null() != other.is_null()).any():
            sys.exit(f"'{name}' is missing in other rows than by hand")
        largest = max(largest, ((one - other).abs() / other.abs().clip(1.0)).max() or 0.0)
    return both.height, largest


# The comparison ------------------------------------------------------------------------------------------------------------------


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", required=True, type=pathlib.Path)
    arguments.add_argument("--tools", default="bin", type=pathlib.Path)
    for name, value in (("stores", 100), ("products", 100), ("weeks", 200), ("turns", 2)):
        arguments.add_argument(f"--{name}", default=value, type=int)
    asked = arguments.parse_args()
    project = (asked.work / "series").resolve()
    folder = project / "resources/panel"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("ingest", INGEST.format(**vars(asked))), ("clean", "tables: {sales: {steps: []}}\n"), ("features", FEATURES),
                       ("train", TRAIN), ("predict", "table: scoring\nreasons: 0\nlike_training: {max_psi: 20, max_outside: 1, max_null_change: 1}\n")):
        (folder / f"{name}.yaml").write_text(text)
    # Threads of LightGBM that wait do so without computing: on a busy machine they would take the time from each other.
    environment = {**os.environ, "MILLRACE_ROOT": str(project), "OMP_WAIT_POLICY": "passive"}
    tool = lambda name, *flags: [str(asked.tools.resolve() / name), "panel", "--quiet", *flags]
    for name in ("ingest", "clean"):
        measured(tool(name), env=environment)
    table = next(iter((project / "data/processed/panel/clean/latest").read_text().split()))
    table = str(project / table)
    measured(tool("features"), env=environment)
    training = next(path for path in (project / "data/processed/panel/features/latest").read_text().split() if "/training_" in path)
    by_hand(table, project / "by_hand_training.parquet")
    rows, largest = difference(project / training, project / "by_hand_training.parquet")
    print(f"{rows:,} examples are those by hand; the largest relative difference of a value is {largest:.1e}.\n", flush=True)
    if largest > 1e-6:
        sys.exit("the features are not those by hand")
    best = {}

    def keep(name, found):
        best[name] = min(best.get(name, found), found)
        print(f"{name}: {found[0]:.1f} s, CPU {found[1]:.1f} s, {found[2]:.0f} MiB", file=sys.stderr)

    for _ in range(asked.turns):
        stages = {name: measured(tool(name, "--force"), env=environment) for name in ("features", "train", "predict")}
        keep("Millrace", (sum(found[0] for found in stages.values()), sum(found[1] for found in stages.values()),
                          max(found[2] for found in stages.values())))
        for name, found in stages.items():
            keep(f"– {name}", found)
        for name in ("by_hand", "mlforecast"):
            keep({"by_hand": "polars and LightGBM by hand", "mlforecast": "mlforecast"}[name],
                 measured([sys.executable, __file__, name, table], env=environment))
    print(f"{asked.stores * asked.products:,} series × {asked.weeks} weeks\n")
    print("| side | seconds | CPU seconds | peak MiB |\n|---|---:|---:|---:|")
    for name, (seconds, cpu, peak) in best.items():
        print(f"| {name} | {seconds:.1f} | {cpu:.1f} | {peak:,.0f} |")
    ours, theirs = best["Millrace"], best["polars and LightGBM by hand"]
    goals.note("series, time by that of the job by hand", ours[0] / theirs[0], at_most=0.7)
    goals.note("series, memory by that of the job by hand", ours[2] / theirs[2], at_most=0.5)
    print(f"\nTime: {ours[0] / theirs[0]:.2f} of the job by hand, CPU {ours[1] / theirs[1]:.2f}, memory {ours[2] / theirs[2]:.2f}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["by_hand"]:
        by_hand(sys.argv[2])
    elif sys.argv[1:2] == ["mlforecast"]:
        by_mlforecast(sys.argv[2])
    else:
        main()
