"""What Python makes of Seoul's apartment sales, on the rows and features that Millrace judged its model by.

    python seoul_reference.py FEATURES.parquet PREDICTIONS.parquet

FEATURES is the training table of the features stage, PREDICTIONS the `predictions.parquet` of the model: its test rows. The rows before
them by time train (70 parts of 85) and stop the growing (15 parts of 85), as in resources/seoul/train.yaml. Prints one JSON
object: MAE and R2 with their 95 % bootstrap intervals of Millrace's model, of LightGBM and HistGradientBoostingRegressor on
the same features (label on a log scale, smeared back), and of the mean price per district and size band.
"""

import json
import sys

import lightgbm as lgb
import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor

KEY, TIME, LABEL = "trade_id", "contracted_on", "price"
SEED = 42


def r2(label, guess):
    return 1 - float(((label - guess) ** 2).sum() / ((label - label.mean()) ** 2).sum())


def measured(label, guess, resamples=500):
    label, guess = np.asarray(label, float), np.asarray(guess, float)
    random = np.random.default_rng(SEED)
    rows = [random.integers(0, len(label), len(label)) for _ in range(resamples)]
    return {
        name: [of(label, guess), *(float(q) for q in np.quantile([of(label[r], guess[r]) for r in rows], [0.025, 0.975]))]
        for name, of in {"mae": lambda l, g: float(np.abs(l - g).mean()), "r2": r2}.items()
    }


def smeared(model, fitted_on, label):
    """Back from the log scale: Duan's factor from the residuals of `fitted_on`."""
    return float(np.exp(np.log(label) - model(fitted_on)).mean())


def bands(train, test):
    """The mean price per district and size band; per district, then of all, where there was none."""
    banded = [rows.with_columns(band=(pl.col("area") / 20).floor()) for rows in (train, test)]
    both = banded[0].group_by("district", "band").agg(both=pl.col(LABEL).mean())
    district = train.group_by("district").agg(district_mean=pl.col(LABEL).mean())
    joined = banded[1].join(both, on=["district", "band"], how="left", maintain_order="left")
    joined = joined.join(district, on="district", how="left", maintain_order="left")
    return joined.select(pl.coalesce("both", "district_mean", pl.lit(train[LABEL].mean()))).to_series()


def main(features, predictions):
    rows = pl.read_parquet(features).sort(TIME, KEY)
    judged = pl.read_parquet(predictions)
    test = rows.join(judged.select(KEY, prediction="score"), on=KEY, how="inner", maintain_order="left")
    before = rows.filter(pl.col(TIME) < test[TIME].min())
    edge = before[TIME][int(before.height * 70 / 85)]
    train, valid = before.filter(pl.col(TIME) < edge), before.filter(pl.col(TIME) >= edge)
    names = [name for name in rows.columns if name not in (KEY, TIME, LABEL) and not name.startswith("_")]
    texts = [name for name in names if rows[name].dtype == pl.String or rows[name].dtype == pl.Categorical]
    kinds = {name: pl.Enum(train[name].cast(pl.String).drop_nulls().unique().sort()) for name in texts}
    code = [pl.col(name).cast(pl.String).cast(kind, strict=False).to_physical() for name, kind in kinds.items()]
    x = {part: table.with_columns(code).select(pl.col(names).cast(pl.Float64)).to_numpy() for part, table in
         {"train": train, "valid": valid, "test": test}.items()}
    y = {"train": train[LABEL].to_numpy().astype(float), "valid": valid[LABEL].to_numpy().astype(float)}

    data = lgb.Dataset(x["train"], np.log(y["train"]), feature_name=names, categorical_feature=texts, free_raw_data=False)
    check = lgb.Dataset(x["valid"], np.log(y["valid"]), reference=data)
    parameters = {"objective": "regression", "learning_rate": 0.05, "num_leaves": 31, "seed": SEED, "deterministic": True,
                  "verbosity": -1, "force_row_wise": True}
    light = lgb.train(parameters, data, 1000, [check], callbacks=[lgb.early_stopping(50, verbose=False)])
    factor = smeared(light.predict, x["valid"], y["valid"])

    small = [name for name in texts if len(kinds[name].categories) <= 255]  # more categories it refuses
    kept = [index for index, name in enumerate(names) if name not in texts or name in small]
    hist = HistGradientBoostingRegressor(
        max_iter=1000, learning_rate=0.05, categorical_features=[names[i] in small for i in kept], random_state=SEED,
        early_stopping=True, n_iter_no_change=50, validation_fraction=None)
    # Categories unseen in training are missing values.
    hist.fit(x["train"][:, kept], np.log(y["train"]), X_val=x["valid"][:, kept], y_val=np.log(y["valid"]))
    hist_factor = smeared(hist.predict, x["valid"][:, kept], y["valid"])

    label = test[LABEL]
    print(json.dumps({
        "rows": {"train": train.height, "valid": valid.height, "test": test.height},
        "millrace": measured(label, test["prediction"]),
        "lightgbm": measured(label, np.exp(light.predict(x["test"])) * factor),
        "hist_gradient_boosting": measured(label, np.exp(hist.predict(x["test"][:, kept])) * hist_factor),
        "mean_per_district_and_size_band": measured(label, bands(train, test)),
    }, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
