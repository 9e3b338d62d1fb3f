"""Scores and explanations of the crate `forest` beside LightGBM and fasttreeshap: the same model, the same rows, one thread.

    python forest.py --example PROGRAM --work FOLDER [--trees 200] [--rows 1000000]

PROGRAM is the example `bench` of the crate; it writes the model and the rows that are explained into the folder. Prints the processor
time per row, and how far fasttreeshap's values are from LightGBM's.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import goals

FEATURES = 26


def measured(given):
    """How many times as fast as LightGBM the forest is, by what is measured, and its microseconds per explained row."""
    command = [given.example, "1", "31", str(given.trees), str(given.rows), given.work]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, flush=True)
    faster = {what: float(times) for what, times in re.findall(r"^(.*?): .*; ([\d.]+) times as fast$", done.stdout, re.MULTILINE)}
    return faster, float(re.search(r"^contributions: ([\d.]+) µs per row", done.stdout, re.MULTILINE).group(1))


def by_fasttreeshap(folder):
    """Microseconds per explained row by algorithm."""
    import fasttreeshap_fixed as fasttreeshap
    import lightgbm
    import numpy as np

    booster = lightgbm.Booster(model_file=folder / "model.txt")
    rows = np.fromfile(folder / "rows.f64").reshape(-1, FEATURES)
    theirs = booster.predict(rows, pred_contrib=True, num_threads=1)[:, :-1]
    found = {}
    for algorithm in ("v1", "v2"):
        explainer = fasttreeshap.TreeExplainer(booster, algorithm=algorithm, n_jobs=1)
        least = float("inf")
        for _ in range(3):
            began = time.process_time()
            values = explainer.shap_values(rows, check_additivity=False)
            least = min(least, time.process_time() - began)
        values = values[-1] if isinstance(values, list) else values
        farthest = np.abs(values - theirs).max()
        found[algorithm] = least / len(rows) * 1e6
        print(f"fasttreeshap {algorithm}: {found[algorithm]:.1f} µs per row, at most {farthest:.1e} from LightGBM's")
    return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--example", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--trees", type=int, default=200)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    given = arguments.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    faster, explained = measured(given)
    goals.note("scores of many rows, times as fast as LightGBM", faster["many rows"], at_least=4)
    goals.note("one row at a time, time by that of LightGBM's fast path", 1 / faster["single rows"], at_most=0.4)
    goals.note("exact SHAP values, times as fast as LightGBM", faster["contributions"], at_least=20)
    try:
        other = min(by_fasttreeshap(given.work).values())
    except Exception as error:  # whatever goes wrong in it, the other figures are there
        sys.exit(f"forest.py: fasttreeshap failed: {error!r}")
    goals.note("exact SHAP values, times as fast as fasttreeshap", other / explained, at_least=8)


if __name__ == "__main__":
    main()
