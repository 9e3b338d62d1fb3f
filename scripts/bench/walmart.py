"""Weekly sales of 45 Walmart stores, forecast by Millrace, by Python's LightGBM on the same features, and by statsforecast.

    python walmart.py WALMART.csv PROJECT [--refit]

PROJECT is a folder in which `make walmart` ran: its newest version has the test rows. All sides forecast the same rows (store,
cutoff, week). LightGBM gets the parameters of resources/walmart/train.yaml and the same rows to learn from, stop by and test on.
AutoETS and AutoTheta of statsforecast are fitted at the first test cutoff and take in the later weeks as they come, as `refit_every` does
in features.yaml; with --refit they are fitted anew at each cutoff, which takes nine times as long. The week that five stores lack lies on
the line between its neighbours. Prints WAPE and MASE of each as a Markdown table, and of the best two how sure the difference is:
a 95 % interval of the difference in WAPE from 2,000 resamples in blocks of four weeks. Then how totals do: added up, and reconciled
with forecasts of the totals (MinT with variances of the residuals).
"""

import json
import pathlib
import sys
import time

import goals
import lightgbm as lgb
import numpy as np
import polars as pl
from statsforecast.models import AutoETS, AutoTheta

HORIZON, SEASON, BLOCK, SEED = 4, 52, 4, 42
KEY = ["series", "cutoff", "week"]
PARAMETERS = {"boosted": dict(learning_rate=0.05, num_leaves=31, stop=30, trees=300), "careful": dict(
    learning_rate=0.03, num_leaves=15, bagging_fraction=0.8, bagging_freq=1, feature_fraction=0.6, stop=50, trees=600)}


def newest(project, folder, table):
    paths = (project / folder / "latest").read_text().split()
    return pl.read_parquet(project / next(path for path in paths if f"/{table}_" in path))


def series_of(csv):
    """The weekly values of each store, from first to last; a missing week is interpolated between its neighbours."""
    rows = pl.read_csv(csv).select(
        store=pl.col("Store").cast(pl.String), week=pl.col("Date").str.to_date("%d-%m-%Y"), sales=pl.col("Weekly_Sales")).drop_nulls()
    all_weeks = pl.DataFrame({"week": rows["week"].unique().sort()})
    full = rows.select(pl.col("store").unique().sort()).join(all_weeks, how="cross")
    full = full.join(rows, on=["store", "week"], how="left").sort("store", "week")
    return full.with_columns(pl.col("sales").interpolate().forward_fill().backward_fill().over("store"))


def by_lightgbm(training, parts, name):
    """The model that `train` would make: stopped early on the validation part, then fitted again on all rows that may teach."""
    wanted = PARAMETERS[name]
    label = "sales"
    skip = {label, "series", "store", "cutoff", "week", f"{label}_known_at", "_file", "_row"}
    features = [column for column in training.columns if column not in skip]
    rows = training.join(parts.select([*KEY, "part", "learned"]), on=KEY, how="inner")
    of = {part: rows.filter(pl.col("part") == part) for part in ("train", "valid", "test")}
    parameters = {key: value for key, value in wanted.items() if key not in ("stop", "trees")}
    parameters |= dict(objective="regression", verbosity=-1, seed=SEED, num_threads=2, min_data_in_leaf=20)
    data = lambda frame, **more: lgb.Dataset(frame.select(features).to_pandas(), frame[label].to_numpy(), **more)
    train = data(of["train"])
    stopped = lgb.train(parameters, train, wanted["trees"], valid_sets=[data(of["valid"], reference=train)],
                        callbacks=[lgb.early_stopping(wanted["stop"], verbose=False)])
    again = lgb.train(parameters, data(rows.filter(pl.col("learned"))), stopped.best_iteration)
    return of["test"].select(*KEY, pl.Series(f"lightgbm {name}", again.predict(of["test"].select(features).to_pandas())))


def fitted_to(past, model):
    """With the season of a year; AutoETS finds no model with one for some stores, and is then fitted without."""
    try:
        return model(season_length=SEASON).fit(past)
    except Exception:
        return model(season_length=1).fit(past)


def by_statsforecast(series, cutoffs, refit):
    models = {"AutoETS": AutoETS, "AutoTheta": AutoTheta}
    found, seconds, residuals = [], dict.fromkeys(models, 0.0), {}
    stores = {store[0]: rows for store, rows in series.group_by(["store"], maintain_order=True)}
    stores["all"] = series.group_by("week", maintain_order=True).agg(pl.col("sales").sum()).sort("week")
    for store, rows in stores.items():
        known = {}
        for cutoff in cutoffs:
            past = rows.filter(pl.col("week") < cutoff)["sales"].to_numpy()
            weeks = rows.filter(pl.col("week") >= cutoff)["week"][:HORIZON]
            columns = {"series": [store] * len(weeks), "cutoff": [cutoff] * len(weeks), "week": weeks}
            for name, model in models.items():
                begun = time.process_time()
                if refit or name not in known:
                    known[name] = fitted_to(past, model)
                fitted = known[name].forward(past, HORIZON, fitted=store == "all")
                seconds[name] += time.process_time() - begun
                columns[name] = fitted["mean"][: len(weeks)]
                if store == "all":
                    residuals[name] = float(np.nanstd(past - fitted["fitted"]))
            found.append(pl.DataFrame(columns))
    return pl.concat(found), seconds, residuals


def measures(test, name, scale):
    error = (test[name] - test["sales"]).abs()
    wape = float(error.sum() / test["sales"].sum())
    mase = float((error / test["series"].replace_strict(scale, return_dtype=pl.Float64)).mean())
    return wape, mase, float((test[name] - test["sales"]).mean())


def difference(test, one, other):
    """The WAPE of `other` less that of `one`, with its interval: blocks of successive weeks in a circle."""
    weeks = sorted(test["week"].unique())
    sums = test.group_by("week").agg(
        a=(pl.col(one) - pl.col("sales")).abs().sum(), b=(pl.col(other) - pl.col("sales")).abs().sum(),
        y=pl.col("sales").sum()).sort("week")
    a, b, y = (sums[name].to_numpy() for name in "aby")
    random, count = np.random.default_rng(SEED), len(weeks)
    block = max(1, min(BLOCK, count // 4))
    drawn = []
    for _ in range(2000):
        firsts = random.integers(0, count, -(-count // block))
        rows = np.concatenate([(np.arange(first, first + block)) % count for first in firsts])[:count]
        drawn.append((b[rows].sum() - a[rows].sum()) / y[rows].sum())
    return float((b.sum() - a.sum()) / y.sum()), *np.quantile(drawn, [0.025, 0.975])


def main(csv, project, refit):
    project = pathlib.Path(project)
    version = project / (project / "data/models/walmart/latest").read_text().split()[0]
    training = newest(project, "data/processed/walmart/features", "training")
    parts = pl.read_parquet(version / "parts.parquet")
    test = training.join(parts.filter(pl.col("part") == "test").select(KEY), on=KEY, how="inner")
    manifest = json.loads((version / "model.json").read_text())
    ours = f"Millrace ({manifest['experiment']})"
    predicted = pl.read_parquet(version / "predictions.parquet").select([*KEY, pl.col("score").alias(ours)])
    test = test.select([*KEY, "horizon", "sales", "last_year", "mean_4w", *[n for n in ("ets", "theta") if n in training.columns]])
    test = test.join(predicted, on=KEY, how="inner").rename({"ets": "ets (Millrace)", "theta": "theta (Millrace)"}, strict=False)
    test = test.with_columns(pl.coalesce("last_year", "mean_4w").alias("seasonal naive"))
    for name in PARAMETERS:
        test = test.join(by_lightgbm(training, parts, name), on=KEY, how="inner")
    series = series_of(csv)
    theirs, seconds, residuals = by_statsforecast(series, sorted(test["cutoff"].unique()), refit)
    test = test.join(theirs, on=KEY, how="inner")
    train = training.join(parts.filter(pl.col("part") == "train").select(KEY), on=KEY, how="inner")
    plain = (pl.coalesce("last_year", "mean_4w") - pl.col("sales")).abs().mean()
    scale = dict(train.group_by("series").agg(plain).iter_rows())
    named = [ours, "seasonal naive", *(f"lightgbm {name}" for name in PARAMETERS), "AutoETS", "AutoTheta",
             *[name for name in ("ets (Millrace)", "theta (Millrace)") if name in test.columns]]
    print(f"{test.height} forecasts of {test['series'].n_unique()} stores at {test['cutoff'].n_unique()} cutoffs, weeks "
          f"{test['week'].min()} to {test['week'].max()}\n")
    print("| forecast | WAPE | MASE | bias |\n|---|---:|---:|---:|")
    found = {name: measures(test, name, scale) for name in named}
    for name, (wape, mase, bias) in sorted(found.items(), key=lambda item: item[1]):
        print(f"| {name} | {wape:.4f} | {mase:.4f} | {bias:,.0f} |")
    for other in named[1:]:
        value, low, high = difference(test, ours, other)
        print(f"\n{other} less {ours}: {value:+.4f} ({low:+.4f} to {high:+.4f})", end="")
    best = min((name for name in named[1:] if "Millrace" not in name), key=found.get)
    _, _, high = difference(test, ours, best)
    goals.note(f"Walmart, WAPE by that of the best other ({best})", found[ours][0] / found[best][0])
    # Above 0 the best other one is surely better.
    goals.note("Walmart, WAPE by which the best other is surely better, in points", max(0.0, -100 * high), at_most=0)
    print(f"\n\nCPU seconds of statsforecast: {seconds}")
    # Totals: the sum of all stores, by adding up, by a model of the sum itself, and by both (MinT with two levels: weights by
    # the variances of their errors; Wickramasuriya, Athanasopoulos and Hyndman 2019).
    sums = test.group_by("cutoff", "week").agg([pl.col(ours).sum(), pl.col("sales").sum(), pl.col(ours).std().alias("spread")])
    sums = sums.join(theirs.filter(pl.col("series") == "all").drop("series"), on=["cutoff", "week"])
    valid = training.join(parts.filter(pl.col("part") == "valid").select(KEY), on=KEY, how="inner")
    bottom = valid.group_by("cutoff", "week").agg((pl.coalesce("last_year_grown", "last_year") - pl.col("sales")).sum().alias("e"))
    variance = float((bottom["e"] ** 2).mean())
    for name in ("AutoETS", "AutoTheta"):
        top = residuals[name] ** 2
        share = variance / (variance + top)
        mixed = sums[ours] + share * (sums[name] - sums[ours])
        wape = lambda guess: float((guess - sums["sales"]).abs().sum() / sums["sales"].sum())
        print(f"total: added up {wape(sums[ours]):.4f}, {name} of the total {wape(sums[name]):.4f}, reconciled {wape(mixed):.4f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "--refit" in sys.argv)
