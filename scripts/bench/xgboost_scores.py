"""Scores and explanations of one model of XGBoost: by XGBoost itself and by the crate `forest`, one thread each.

    python xgboost_scores.py FOLDER EXAMPLE [ROWS]

EXAMPLE is the program `target/release/examples/xgboost`. 200 trees of depth 6 on the 26 made-up features of
`cargo run -p forest --example bench`. Prints the processor time per row of both, for other programs may be running, and that the
scores are equal bit by bit.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import xgboost

import goals

FEATURES, CATEGORIES, EXPLAINED, SINGLE = 26, (24, 25), 2_000, 2_000


def table(random, rows):
    """Features of a shop's customers, roughly: counts, amounts, ages with gaps, two categories."""
    values = random.random((rows, FEATURES)) * 100
    values[:, :6] = np.floor(np.exp(random.random((rows, 6)) * 5))
    gaps = random.random((rows, 4)) < 1 / 6
    values[:, 6:10][gaps] = np.nan
    values[:, 24] = random.integers(0, 20, rows)
    values[:, 25] = random.integers(0, 200, rows)
    return values


def label(random, x):
    known = np.nan_to_num(x, nan=30)
    score = np.log(known[:, 0] + 1) - known[:, 6] / 40 + np.sin(known[:, 10] / 15) * known[:, 11] / 50
    score += sum(np.cos(known[:, at] / (10 + at)) * 0.3 for at in range(12, 24))
    score += known[:, 24] * 7 % 5 / 4 + known[:, 25] * 3 % 11 / 8 - 2
    return random.random(len(x)) < 1 / (1 + np.exp(-score))


def least(rounds, run, prepare=lambda: None):
    """The least time of `run`, which gets what `prepare` makes anew for each round."""

    def once():
        made = prepare()
        begun = time.process_time()
        run(made)
        return time.process_time() - begun

    return min(once() for _ in range(rounds))


def main(folder, example, rows=1_000_000):
    folder, random = Path(folder), np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    kinds = ["c" if at in CATEGORIES else "float" for at in range(FEATURES)]
    data = {"feature_types": kinds, "enable_categorical": True, "nthread": 1}
    x = table(random, 60_000)
    parameters = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "nthread": 2, "seed": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(x, label(random, x), **data), 200)
    booster.save_model(folder / "model.ubj")
    x = table(random, int(rows))
    x.tofile(folder / "rows.f64")
    booster = xgboost.Booster({"nthread": 1}, model_file=folder / "model.ubj")
    # A booster remembers the predictions of a matrix, so each round has a new one.
    matrix = xgboost.DMatrix(x, **data)
    theirs = {"many rows": least(3, booster.predict, lambda: xgboost.DMatrix(x, **data)) / len(x)}
    copied = least(3, lambda _: booster.predict(xgboost.DMatrix(x, **data))) / len(x)

    def ones():
        return [xgboost.DMatrix(x[at : at + 1], **data) for at in range(SINGLE)]

    one_by_one = least(3, lambda rows: [booster.predict(row) for row in rows], ones)
    theirs["single rows"] = one_by_one / SINGLE
    some = xgboost.DMatrix(x[:EXPLAINED], **data)
    theirs["contributions"] = least(3, lambda _: booster.predict(some, pred_contribs=True)) / EXPLAINED
    printed = subprocess.run([example, str(folder)], check=True, capture_output=True, text=True).stdout
    micros = dict(re.findall(r"^forest: (.*): ([0-9.]+) µs per row$", printed, re.MULTILINE))
    print(f"| µs of the processor per row | Millrace | XGBoost {xgboost.__version__} |\n|---|---:|---:|")
    for what, seconds in theirs.items():
        print(f"| {what} | {float(micros[what]):.2f} | {seconds * 1e6:.2f} |")
        goals.note(f"a model of XGBoost, {what}: times as fast as XGBoost, its matrix made before", seconds * 1e6 / float(micros[what]))
    print(f"\nWith its matrix made each time, XGBoost takes {copied * 1e6:.2f} µs for each of many rows.")
    ours = np.fromfile(folder / "scores.f64")
    assert (ours == booster.predict(matrix).astype(float)).all(), "scores differ"
    ours = np.fromfile(folder / "contributions.f64").reshape(EXPLAINED, -1)
    farthest = np.abs(ours - booster.predict(some, pred_contribs=True)).max()
    print(f"scores are equal to the last bit, contributions differ by at most {farthest:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
