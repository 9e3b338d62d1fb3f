"""Three experiments with LightGBM on one table of features, beside the same three in Python, in turn.

    python training.py --work FOLDER [--turns 2] [--purchases 2600000]
    python training.py TABLE                  the job in Python, in a process of its own

2.6 million purchases give about a million rows of 26 features. Both sides split them by time and grow 200 trees of 31 leaves, 200 of 15 and
100 of 31, without early stopping. Python computes the AUC of each on its validation part; `train` also resamples intervals, explains the best
and writes the version.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import goals

TRAIN = """table: training
label: churned
task: classification
entity: customer_id
time: cutoff
split: {by: time}
experiments:
  many: {lightgbm: {trees: 200, learning_rate: 0.05, leaves: 31, early_stopping: 0}}
  small: {lightgbm: {trees: 200, learning_rate: 0.05, leaves: 15, early_stopping: 0}}
  few: {lightgbm: {trees: 100, learning_rate: 0.05, leaves: 31, early_stopping: 0}}
choose_by: auc
refit: false
"""
EXPERIMENTS = ((200, 31), (200, 15), (100, 31))
"""Of Python's: memory is a goal, and growing is LightGBM's on both sides."""
MEMORY = 0.5


def by_hand(table):
    import lightgbm as lgb
    import polars as pl

    import features
    import learning

    rows = pl.read_parquet(table)
    skip = ("customer_id", "cutoff", "churned")
    names = [name for name in rows.columns if name not in skip]
    categories = [name for name in names if rows[name].dtype == pl.String]
    rows = rows.with_columns(pl.col(categories).cast(pl.Categorical))
    train, valid, _ = features.split(rows)
    del rows
    data = lgb.Dataset(learning.matrix(train, names), train["churned"].to_numpy(), feature_name=names, categorical_feature=categories)
    held_out, label = learning.matrix(valid, names), valid["churned"].to_numpy()
    del train, valid
    for trees, leaves in EXPERIMENTS:
        model = lgb.train(learning.PARAMETERS | {"num_leaves": leaves, "num_threads": os.cpu_count()}, data, num_boost_round=trees)
        print(f"{trees} trees of {leaves} leaves: AUC {learning.auc(label, model.predict(held_out, num_threads=os.cpu_count())):.4f}")


def main():
    import shop
    from measure import MIB, REPOSITORY, latest, row, run

    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--turns", type=int, default=2)
    arguments.add_argument("--purchases", type=int, default=2_600_000)
    given = arguments.parse_args()
    root = shop.project(given.work.resolve() / "training", given.purchases, train=TRAIN)
    environment = os.environ | {"MILLRACE_ROOT": str(root)}
    for tool in ("ingest", "clean", "features"):
        run(tool, [REPOSITORY / "bin" / tool, "shop", "--quiet"], environment)
    [table] = [root / path for path in latest(root, "data/processed/shop/features") if "/training_" in path]
    best = {}
    for _ in range(given.turns):
        for name, command in (("Millrace", [REPOSITORY / "bin/train", "shop", "--force", "--log-format", "json"]), ("Python", [sys.executable, __file__, table])):
            done = run(name, command, environment)
            best[name] = min(best.get(name, done), done, key=lambda done: done.cpu)
    ours, theirs = best["Millrace"], best["Python"]
    print(theirs.stdout)
    print(row("side", "rows of the table", "seconds", "CPU seconds", "peak MiB", "own MiB"))
    print(row("---", *["---:"] * 5))
    for name, done in best.items():
        print(row(name, f"{ours.rows_in:,}", f"{done.seconds:.1f}", f"{done.cpu:.1f}", f"{done.memory / MIB:,.0f}", f"{done.own / MIB:,.0f}"))
    what = f"three experiments on {ours.rows_in:,} rows"
    goals.note(f"{what}, CPU time by that of Python", ours.cpu / theirs.cpu)
    goals.note(f"{what}, memory by that of Python", ours.memory / theirs.memory, at_most=MEMORY)
    shutil.rmtree(root)


if __name__ == "__main__":
    by_hand(sys.argv[1]) if len(sys.argv) == 2 and not sys.argv[1].startswith("-") else main()
