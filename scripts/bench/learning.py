"""LightGBM with one set of parameters: shared by the hand-written scripts."""

import lightgbm as lgb
import numpy as np
import polars as pl

PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "seed": 42,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
ROUNDS = 300
PATIENCE = 50


def matrix(rows, names):
    """Features as one float matrix; categories become their codes."""
    codes = [pl.col(pl.Categorical).to_physical(), pl.col(pl.Enum).to_physical()]
    present = [code for code, kind in zip(codes, (pl.Categorical, pl.Enum)) if any(isinstance(t, kind) for t in rows.dtypes)]
    return rows.with_columns(present).select(pl.col(names).cast(pl.Float64)).to_numpy()


def fit(train, valid, names, categories, threads, rounds=ROUNDS, patience=PATIENCE):
    """With no `patience` all rounds are grown."""
    data = lgb.Dataset(
        matrix(train, names), train["churned"].to_numpy(), feature_name=names, categorical_feature=categories, free_raw_data=True
    )
    check = lgb.Dataset(matrix(valid, names), valid["churned"].to_numpy(), reference=data)
    return lgb.train(
        PARAMETERS | {"num_threads": threads},
        data,
        num_boost_round=rounds,
        valid_sets=[check],
        callbacks=[lgb.early_stopping(patience, verbose=False)] if patience else [],
    )


def auc(label, score):
    """Area under the ROC curve by the rank sum of Mann and Whitney, ties counted half."""
    label = np.asarray(label, dtype=bool)
    ranks = pl.Series(np.asarray(score)).rank("average").to_numpy()
    ones = int(label.sum())
    zeros = len(label) - ones
    return float((ranks[label].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def interval(label, score, resamples=500, seed=42):
    """AUC with its 95 % bootstrap interval."""
    label, score = np.asarray(label), np.asarray(score)
    random = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        rows = random.integers(0, len(label), len(label))
        if 0 < label[rows].sum() < len(rows):
            values.append(auc(label[rows], score[rows]))
    low, high = np.quantile(values, [0.025, 0.975])
    return auc(label, score), float(low), float(high)
