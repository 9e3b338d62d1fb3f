"""Makes the models and predictions that the tests read: `python fixtures.py` with numpy and xgboost (3.2.0 made those here;
`python fixtures.py 2.1`, with an earlier version, those whose names end with it).

Each model is `NAME.json` or `NAME.ubj`. `NAME.txt` has a line per row: the values, `|`, the raw score (margin) of each
output as the bits of a float32 in hex, `|`, the predictions alike, `|`, the contributions of the first output.
"""

import struct
import sys
from pathlib import Path

import numpy as np
import xgboost as xgb

HERE = Path(__file__).parent
NAMES, KINDS = ["a", "b", "c", "d"], ["float", "float", "float", "c"]
CATEGORIES = 7


def table(rows, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).round(2).astype(np.float32).astype(float)
    x[:, 2] = random.integers(-2, 3, rows)
    x[:, 3] = random.integers(0, CATEGORIES, rows)
    x[random.random((rows, 4)) < 0.12] = np.nan
    return x


def score(x):
    a, b, c, d = np.nan_to_num(x, nan=0.7).T
    return a + b * (d % 2) + 0.5 * c - (d == 3) + np.isnan(x[:, 0])


def labels(objective, x):
    s = score(x) + np.random.default_rng(5).normal(size=len(x)) * 0.3
    if objective.startswith("multi"):
        return np.clip(np.floor(s + 1.5), 0, 2)
    if objective.startswith("binary") or objective == "reg:logistic":
        return (s > 0.4).astype(float)
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squaredlogerror"):
        return np.floor(np.exp(np.clip(s, -2, 2.5))) + 1
    return s


def hexed(values):
    return " ".join(struct.pack(">f", value).hex() for value in np.atleast_1d(values))


def number(value):
    return repr(float(value))


# Values at the edges: between two float32, beyond them, unknown and impossible categories.
ODD = [
    [0.1, -0.0, 1e-40, 6.0],
    [1.0000000001, 1e-50, 3.4e38, 7.0],
    [np.nan, np.nan, np.nan, np.nan],
    [0.2, 0.30000001192092896, 0.0, 100.0],
    [-1e30, 1e30, -2.0, np.nan],
]


def make(name, objective, rounds=5, file="json", **parameters):
    x = table(300, 1)
    settings = {"objective": objective, "max_depth": 4, "eta": 0.3, "seed": 3, "max_cat_to_onehot": 3, "nthread": 1}
    data = xgb.DMatrix(x, labels(objective, x), feature_names=NAMES, feature_types=KINDS, enable_categorical=True)
    booster = xgb.train({**settings, **parameters}, data, rounds)
    booster.save_model(HERE / f"{name}.{file}")
    asked = np.vstack([table(30, 2), np.array(ODD)])
    rows = xgb.DMatrix(asked, feature_names=NAMES, feature_types=KINDS, enable_categorical=True)
    raw = booster.predict(rows, output_margin=True).reshape(len(asked), -1)
    predicted = booster.predict(rows).reshape(len(asked), -1)
    why = booster.predict(rows, pred_contribs=True)
    why = why[:, 0] if why.ndim == 3 else why
    with open(HERE / f"{name}.txt", "w") as out:
        for at, values in enumerate(asked):
            parts = [" ".join(map(number, values)), hexed(raw[at]), hexed(predicted[at]), " ".join(map(number, why[at]))]
            out.write(" | ".join(parts) + "\n")


if sys.argv[1:]:
    end = sys.argv[1]
    make(f"binary_{end}", "binary:logistic")
    make(f"classes_{end}", "multi:softprob", num_class=3, rounds=3, file="ubj")
    make(f"poisson_{end}", "count:poisson", file="ubj")
    make(f"quantile_{end}", "reg:quantileerror", quantile_alpha=0.8)
else:
    make("binary", "binary:logistic")
    make("binary_ubj", "binary:logistic", file="ubj")
    make("onehot", "binary:logistic", max_cat_to_onehot=100)
    make("raw", "binary:logitraw", base_score=0.3)
    make("hinge", "binary:hinge")
    make("squared", "reg:squarederror")
    make("approx", "reg:squarederror", tree_method="approx", subsample=0.7)
    make("absolute", "reg:absoluteerror")
    make("poisson", "count:poisson", base_score=2.0)
    make("gamma", "reg:gamma")
    make("tweedie", "reg:tweedie", file="ubj")
    make("classes", "multi:softprob", num_class=3, num_parallel_tree=2, subsample=0.6, rounds=3)
    make("most", "multi:softmax", num_class=3, rounds=3, file="ubj")
    make("dart", "binary:logistic", booster="dart", rate_drop=0.6, rounds=8)
    make("dart_classes", "multi:softprob", booster="dart", rate_drop=0.5, num_class=3, rounds=4, file="ubj")
    make("forest", "reg:squarederror", rounds=1, num_parallel_tree=6, subsample=0.6, colsample_bynode=0.6, eta=1.0)
    make("quantile", "reg:quantileerror", quantile_alpha=0.8, file="ubj")
    make("huber", "reg:pseudohubererror", huber_slope=0.5)
