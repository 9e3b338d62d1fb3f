"""The features of resources/churn/features.yaml by hand, in polars: shared by baseline.py and cdnow_reference.py."""

from datetime import timedelta

import polars as pl

DAY = timedelta(days=1)
HORIZON = 90 * DAY
WINDOWS = (30, 90, 365)


def cutoffs(newest, every_days, count):
    """Training cutoffs, oldest first: the last one lies as late as its label's horizon allows."""
    last = newest - HORIZON
    return [last - i * every_days * DAY for i in reversed(range(count))]


def days_before(moment, cutoff):
    """Whole days from a moment to the cutoff."""
    return (pl.lit(cutoff) - moment).dt.total_days()


def common(cutoff):
    """Recency, frequency and money as of a cutoff, from rows before it with `buys` true for purchases."""
    at = pl.col("ordered_at")
    buys = pl.col("buys")
    amount = pl.col("amount")

    def within(days):
        return at >= cutoff - days * DAY

    bought_at = at.filter(buys)
    span_days = (bought_at.max() - bought_at.min()).dt.total_microseconds() / 86_400e6
    return [
        days_before(bought_at.max(), cutoff).alias("recency_days"),
        days_before(at.min(), cutoff).alias("tenure_days"),
        pl.when(buys.sum() > 1).then(span_days / (buys.sum().cast(pl.Float64) - 1)).alias("mean_gap_days"),
        buys.sum().alias("orders"),
        *[(buys & within(days)).sum().alias(f"orders_{days}d") for days in WINDOWS],
        *[amount.filter(within(days)).sum().alias(f"spent_{days}d") for days in (90, 365)],
        amount.filter(buys).mean().alias("basket_mean"),
        amount.filter(buys).std().alias("basket_std"),
        amount.max().alias("basket_max"),
        amount.filter(buys & within(90)).mean().alias("basket_mean_90d"),
        pl.col("quantity").filter(buys & within(365)).sum().alias("pieces_365d"),
        at.max().alias("_last"),
    ]


def ratios():
    def ratio(above, below):
        return pl.when(below != 0).then(above / below)

    gap, orders, year = pl.col("mean_gap_days"), pl.col("orders"), pl.col("orders_365d")
    return [
        ratio(pl.col("recency_days"), gap).alias("overdue"),
        (orders / (pl.col("tenure_days") + 1) * 365).alias("orders_per_year"),
        (ratio(pl.col("orders_90d"), year) * 4).alias("order_trend"),
        ratio(pl.col("basket_mean_90d"), pl.col("basket_mean")).alias("basket_trend"),
    ]


def as_of(log, cutoff, aggregates, labelled):
    """One row per customer who was there in the 365 days before the cutoff. `log` is in the order of time."""
    before = log.filter(pl.col("ordered_at") < cutoff)
    rows = (
        before.group_by("customer_id")
        .agg(aggregates)
        .filter(pl.col("_last") >= cutoff - 365 * DAY)
        .drop("_last")
        .with_columns(ratios())
        .with_columns(pl.lit(cutoff).alias("cutoff"))
    )
    if labelled:
        horizon = pl.col("ordered_at").is_between(cutoff, cutoff + HORIZON, closed="left")
        buyers = log.filter(horizon & pl.col("buys")).select("customer_id").unique()
        buyers = buyers.with_columns(pl.lit(0, pl.Int8).alias("churned"))
        rows = rows.join(buyers, on="customer_id", how="left").with_columns(pl.col("churned").fill_null(1))
    return rows


def split(training, horizon_days=90, shares=(0.70, 0.15, 0.15)):
    """Train, validation and test by time: whole cutoffs, labels never reaching into the next part, as near to the
    shares as they come."""
    times = training.group_by("cutoff").len().sort("cutoff")
    moments, counts = times["cutoff"].to_list(), times["len"].to_list()
    horizon, total, best = timedelta(days=horizon_days), sum(counts), None
    for v in range(1, len(moments)):
        for t in range(v + 1, len(moments)):
            kept = (
                sum(n for m, n in zip(moments, counts) if m + horizon <= moments[v]),
                sum(n for m, n in zip(moments, counts) if moments[v] <= m and m + horizon <= moments[t]),
                sum(n for m, n in zip(moments, counts) if m >= moments[t]),
            )
            if 0 in kept:
                continue
            miss = sum((k / total - s) ** 2 for k, s in zip(kept, shares))
            if best is None or miss < best[0]:
                best = (miss, moments[v], moments[t])
    _, valid, test = best
    at, known = pl.col("cutoff"), pl.col("cutoff") + horizon
    return (
        training.filter((at < valid) & (known <= valid)),
        training.filter((at >= valid) & (at < test) & (known <= test)),
        training.filter(at >= test),
    )
