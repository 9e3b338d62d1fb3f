"""What Python makes of the real log: AUC of the same features in LightGBM, and of recency alone.

    python cdnow_reference.py CDNOW_master.txt

To be compared with `make cdnow`: equal within noise, or one of the two is wrong. Prints one JSON line.
"""

import json
import os
import sys

import polars as pl

import features
import learning


def read(path):
    """Purchases from lines of blank-separated fields; equal lines count once, as in resources/cdnow/clean.yaml."""
    lines = pl.read_csv(path, has_header=False, separator="\n", new_columns=["line"], quote_char=None)
    fields = pl.col("line").str.strip_chars().str.replace_all(r"\s+", " ").str.split(" ")
    return (
        lines.select(
            customer_id=fields.list.get(0).cast(pl.Int64),
            ordered_at=fields.list.get(1).str.to_datetime("%Y%m%d"),
            quantity=fields.list.get(2).cast(pl.Int64),
            amount=fields.list.get(3).cast(pl.Float64),
        )
        .unique(maintain_order=True)
        .sort("ordered_at", maintain_order=True)
        .with_columns(buys=pl.lit(True))
    )


def table(log, cutoff):
    return features.as_of(log.lazy(), cutoff, features.common(cutoff), labelled=True).collect()


def main(source):
    log = read(source)
    newest = log["ordered_at"].max() + features.DAY
    training = pl.concat([table(log, cutoff) for cutoff in features.cutoffs(newest, 90, 5)])
    names = [name for name in training.columns if name not in ("customer_id", "cutoff", "churned")]
    train, valid, test = features.split(training)
    model = learning.fit(train, valid, names, [], os.cpu_count())
    measured = {
        "lightgbm": learning.interval(test["churned"], model.predict(learning.matrix(test, names))),
        "recency_only": learning.interval(test["churned"], test["recency_days"]),
    }
    parts = {"train": train.height, "valid": valid.height, "test": test.height, "churned_in_test": test["churned"].mean()}
    print(json.dumps({"auc": measured, "rows": parts, "rounds": model.best_iteration}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
