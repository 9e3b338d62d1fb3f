"""The job of the `bench` pipeline, written by hand in Python: polars and LightGBM. It is the thing to beat.

    python baseline.py LOG.csv SCORES.csv

CSV in, typed, cleaned and deduplicated by the same rules; the same features at the same cutoffs; the same LightGBM
parameters and split by time; AUC on the test part; scores of the newest customers as CSV out. Like a good script, and
unlike the tools, it writes no intermediate files, keeps no evidence and checks nothing. With BENCH_REASONS=3 each score gets
its three strongest reasons. Prints one JSON line.
"""

import json
import os
import sys
import time

import numpy as np
import polars as pl

import features
import learning

TEXTS = ("category", "channel")
CATEGORIES = ["favourite_category", "last_channel"]
ORDERED_AT = "%Y-%m-%d %H:%M:%S"


def read(path):
    """The log, typed; rows with a cell that cannot be read as its type are left out."""
    typed = {
        "order_id": pl.col("order_id").cast(pl.Int64, strict=False),
        "customer_id": pl.col("customer_id").cast(pl.Int64, strict=False),
        "ordered_at": pl.col("ordered_at").str.to_datetime(ORDERED_AT, strict=False),
        "quantity": pl.col("quantity").cast(pl.Int64, strict=False),
        "amount": pl.col("amount").cast(pl.Float64, strict=False),
    }
    log = pl.scan_csv(path, infer_schema=False).select([*typed, "product", *TEXTS])
    readable = [cast.is_not_null() | pl.col(name).is_null() for name, cast in typed.items()]
    return log.filter(readable).with_columns([cast.alias(name) for name, cast in typed.items()])


def clean(log):
    """One row per order, of somebody, at a time, over an amount; in the order of the log, which is that of time."""
    normal = [
        pl.col(name).str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase() for name in TEXTS
    ]
    return (
        log.drop_nulls(["customer_id", "ordered_at", "amount"])
        .unique("order_id", keep="first", maintain_order=True)
        .with_columns(normal)
        .with_columns([pl.col(name).fill_null("unknown").cast(pl.Categorical) for name in TEXTS])
        .with_columns(pl.col("product").cast(pl.Categorical), buys=pl.col("amount") >= 0)
        .drop("order_id")
    )


def aggregates(cutoff):
    year = pl.col("ordered_at") >= cutoff - 365 * features.DAY
    weekend = pl.col("ordered_at").dt.weekday() >= 6
    return [
        *features.common(cutoff),
        (~pl.col("buys")).filter(year).mean().alias("returns_share_365d"),
        pl.col("product").filter(year).n_unique().alias("products_365d"),
        pl.col("category").filter(year).n_unique().alias("categories_365d"),
        pl.col("channel").last().alias("last_channel"),
        (pl.col("channel") == "app").filter(year).mean().alias("app_share_365d"),
        weekend.mean().alias("weekend_share"),
    ]


def favourites(log, cutoff):
    """The category that most of a customer's rows have; of equally frequent ones the one seen first."""
    rows = log.filter(pl.col("ordered_at") < cutoff)
    counted = rows.group_by("customer_id", "category").agg(pl.len().alias("n"), pl.col("ordered_at").min().alias("first"))
    best = counted.sort(["n", "first"], descending=[True, False]).unique("customer_id", keep="first", maintain_order=True)
    return best.select("customer_id", favourite_category="category")


def table(log, cutoff, labelled):
    rows = features.as_of(log.lazy(), cutoff, aggregates(cutoff), labelled)
    return rows.join(favourites(log.lazy(), cutoff), on="customer_id", how="left").collect(engine="streaming")


def reasons(model, rows, names, wanted, threads):
    """The features that contributed most to each score, with their values; in portions, for the matrix of contributions is large."""
    texts = []
    for start in range(0, rows.height, 100_000):
        part = rows.slice(start, 100_000)
        values = model.predict(learning.matrix(part, names), pred_contrib=True, num_threads=threads)[:, :-1]
        strongest = np.argsort(-np.abs(values), axis=1)[:, :wanted]
        shown = [part[name].cast(pl.String).fill_null("missing").to_list() for name in names]
        for row, features_of_row in enumerate(strongest):
            texts.append("; ".join(f"{names[at]}={shown[at][row]} ({values[row, at]:+.2f})" for at in features_of_row))
    return texts


def main(source, target):
    threads = os.cpu_count()
    marks = [("start", time.perf_counter())]

    def mark(name):
        marks.append((name, time.perf_counter()))

    log = clean(read(source)).collect(engine="streaming")
    mark("read and clean")
    newest = log["ordered_at"].max().replace(hour=0, minute=0, second=0, microsecond=0) + features.DAY
    training = pl.concat([table(log, cutoff, True) for cutoff in features.cutoffs(newest, 90, 8)])
    scoring = table(log, newest, False)
    rows = log.height
    del log
    mark("features")
    names = [name for name in training.columns if name not in ("customer_id", "cutoff", "churned")]
    train, valid, test = features.split(training)
    del training
    model = learning.fit(train, valid, names, CATEGORIES, threads, rounds=200, patience=None)
    quality = learning.auc(test["churned"], model.predict(learning.matrix(test, names), num_threads=threads))
    mark("train")
    score = model.predict(learning.matrix(scoring, names), num_threads=threads)
    scores = scoring.select("customer_id", score=pl.Series(score))
    wanted = int(os.environ.get("BENCH_REASONS", "0"))
    if wanted:
        scores = scores.with_columns(reasons=pl.Series(reasons(model, scoring, names, wanted, threads)))
    scores.sort("customer_id").write_csv(target, include_bom=True)
    mark("predict and export")
    seconds = {name: at - before for (_, before), (name, at) in zip(marks, marks[1:])}
    print(json.dumps({"rows": rows, "auc": quality, "rounds": model.current_iteration(), "scored": scoring.height, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
