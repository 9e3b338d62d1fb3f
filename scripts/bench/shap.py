"""The explanations of `cargo run -p forest --example bench`, by fasttreeshap: the same model, the same rows, one thread.

    python shap.py FOLDER

The folder has the model and the rows that the example wrote. Prints the processor time per row, and how far the values
are from LightGBM's.
"""

import sys
import time
from pathlib import Path

import fasttreeshap_fixed as fasttreeshap
import lightgbm
import numpy as np

FEATURES = 26


def main(folder):
    folder = Path(folder)
    booster = lightgbm.Booster(model_file=folder / "model.txt")
    rows = np.fromfile(folder / "rows.f64").reshape(-1, FEATURES)
    theirs = booster.predict(rows, pred_contrib=True, num_threads=1)[:, :-1]
    for algorithm in ("v1", "v2"):
        explainer = fasttreeshap.TreeExplainer(booster, algorithm=algorithm, n_jobs=1)
        least = float("inf")
        for _ in range(3):
            began = time.process_time()
            values = explainer.shap_values(rows, check_additivity=False)
            least = min(least, time.process_time() - began)
        values = values[-1] if isinstance(values, list) else values
        farthest = np.abs(values - theirs).max()
        print(f"fasttreeshap {algorithm}: {least / len(rows) * 1e6:.1f} µs per row, at most {farthest:.1e} from LightGBM's")


if __name__ == "__main__":
    main(sys.argv[1])
