"""What Python makes of late deliveries, written by hand from the raw files, on the rows that Millrace judged its model by.

    python olist_reference.py FOLDER FEATURES.parquet PREDICTIONS.parquet

FOLDER holds the nine CSV files. FEATURES is the training table of the features stage, of which only the order ids, times and labels are
used; PREDICTIONS is the `predictions.parquet` of the model: its test rows. The rows before them by time train (60 parts of 75) and
stop the growing (15 parts of 75), as in resources/olist/train.yaml. Prints one JSON object: AUC and log loss with their 95 %
bootstrap intervals of Millrace's model, of LightGBM on features written by hand in polars, and of LightGBM on Millrace's features.
"""

import json
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
from sklearn.metrics import log_loss, roc_auc_score

KEY, TIME, LABEL = "order_id", "approved_at", "is_late"
SEED = 42
DAY = 86_400.0


def measured(label, guess, resamples=500):
    random = np.random.default_rng(SEED)
    rows = [random.integers(0, len(label), len(label)) for _ in range(resamples)]
    metrics = {"auc": roc_auc_score, "log_loss": lambda l, g: log_loss(l, g, labels=[0, 1])}
    return {
        name: [float(of(label, guess)), *(float(q) for q in np.quantile([of(label[r], guess[r]) for r in rows], [0.025, 0.975]))]
        for name, of in metrics.items()
    }


def before(keys, at, event_keys, event_at, values, window=None):
    """Of each row: how many events of its key were known before its time (within the window), and their mean."""
    count, mean = np.zeros(len(keys)), np.full(len(keys), np.nan)
    events = {}
    for place in np.argsort(event_at, kind="stable"):
        events.setdefault(event_keys[place], []).append(place)
    sums = {}
    for key, places in events.items():
        sums[key] = (event_at[places], np.concatenate([[0], np.cumsum(values[places])]))
    for row, key in enumerate(keys):
        if key in sums:
            times, total = sums[key]
            end = np.searchsorted(times, at[row], "left")
            start = np.searchsorted(times, at[row] - window * DAY, "left") if window else 0
            count[row] = end - start
            if end > start:
                mean[row] = (total[end] - total[start]) / (end - start)
    return count, mean


def by_hand(folder):
    read = lambda name: pl.read_csv(folder / f"{name}.csv", infer_schema_length=None)
    stamp = lambda name: pl.col(name).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    orders = read("olist_orders_dataset").unique("order_id", keep="first", maintain_order=True).with_columns(
        bought=stamp("order_purchase_timestamp"), approved=stamp("order_approved_at"),
        shipped=stamp("order_delivered_carrier_date"), delivered=stamp("order_delivered_customer_date"),
        promised=stamp("order_estimated_delivery_date"))
    places = read("olist_geolocation_dataset").group_by(zip=pl.col("geolocation_zip_code_prefix")).agg(
        lat=pl.col("geolocation_lat").median(), lon=pl.col("geolocation_lng").median())
    customers = read("olist_customers_dataset").join(places, left_on="customer_zip_code_prefix", right_on="zip", how="left")
    sellers = read("olist_sellers_dataset").join(places, left_on="seller_zip_code_prefix", right_on="zip", how="left")
    products = read("olist_products_dataset")
    pieces = read("olist_order_items_dataset").join(products, on="product_id", how="left").sort("order_id", "order_item_id")
    items = pieces.group_by("order_id", maintain_order=True).agg(
        seller_id=pl.col("seller_id").first(), pieces=pl.len(), price=pl.col("price").sum(), freight=pl.col("freight_value").sum(),
        weight=pl.col("product_weight_g").sum(), category=pl.col("product_category_name").first(),
        volume=(pl.col("product_length_cm") * pl.col("product_height_cm") * pl.col("product_width_cm")).sum())
    paid = read("olist_order_payments_dataset").sort("order_id", "payment_sequential").group_by("order_id", maintain_order=True).agg(
        means=pl.col("payment_type").first(), installments=pl.col("payment_installments").max())
    rows = orders.join(items, on="order_id", how="left").join(paid, on="order_id", how="left")
    rows = rows.join(customers, on="customer_id", how="left").join(sellers, on="seller_id", how="left", suffix="_seller")
    a, b = pl.col("lat").radians(), pl.col("lat_seller").radians()
    h = ((b - a) / 2).sin() ** 2 + a.cos() * b.cos() * (((pl.col("lon_seller") - pl.col("lon")).radians()) / 2).sin() ** 2
    rows = rows.filter(pl.col("approved").is_not_null()).with_columns(
        km=2 * 6371 * h.sqrt().arcsin(),
        promised_days=(pl.col("promised") - pl.col("approved")).dt.total_seconds() / DAY,
        weekday=pl.col("approved").dt.weekday(), hour=pl.col("approved").dt.hour(), month=pl.col("approved").dt.month(),
        approval=(pl.col("approved") - pl.col("bought")).dt.total_seconds() / 3600,
        late=(pl.col("delivered").dt.date() > pl.col("promised").dt.date()).cast(pl.Float64),
        route=pl.concat_str("seller_state", "customer_state", separator=">"),
        at=pl.col("approved").dt.epoch("s"),
        known=pl.min_horizontal("delivered", pl.col("promised") + pl.duration(days=1)).dt.epoch("s"),
        took=(pl.col("delivered") - pl.col("approved")).dt.total_seconds() / DAY,
        handled=(pl.col("shipped") - pl.col("approved")).dt.total_seconds() / DAY)
    at = rows["at"].to_numpy().astype(float)
    made = {}
    for name, keys in {"seller": "seller_id", "route": "route", "state": "customer_state"}.items():
        key = rows[keys].fill_null("").to_numpy()
        for value, known in {"late": "known", "took": "delivered", "handled": "shipped"}.items():
            seen = rows.with_columns(pl.col("delivered", "shipped").dt.epoch("s")).select(
                pl.col(known).cast(pl.Float64), pl.col(value)).to_numpy()
            ok = ~np.isnan(seen).any(axis=1)
            for window in (None, 90):
                made[f"{name}_{value}_{window}"] = before(key, at, key[ok], seen[ok, 0], seen[ok, 1], window)[1]
        for window in (7, 90):
            made[f"{name}_orders_{window}"] = before(key, at, key, at, np.ones(len(at)), window)[0]
    everything = np.full(len(at), "all")
    late = rows.select(pl.col("known").cast(pl.Float64), "late").to_numpy()
    ok = ~np.isnan(late).any(axis=1)
    made["late_14"] = before(everything, at, everything[ok], late[ok, 0], late[ok, 1], 14)[1]
    for window in (7, 90):
        made[f"orders_{window}"] = before(everything, at, everything, at, np.ones(len(at)), window)[0]
    kept = ["promised_days", "weekday", "hour", "month", "approval", "km", "pieces", "price", "freight", "weight", "volume",
            "installments", "seller_state", "customer_state", "category", "means"]
    return rows.select(KEY, *kept).with_columns(pl.Series(name, values) for name, values in made.items())


def fitted(rows, train, valid, test):
    names = [name for name in rows.columns if name not in (KEY, TIME, LABEL) and not name.startswith("_") and not name.endswith("_known_at")]
    texts = [name for name in names if rows[name].dtype in (pl.String, pl.Categorical)]
    parts = {part: keys.join(rows, on=KEY, how="left", maintain_order="left") for part, keys in
             {"train": train, "valid": valid, "test": test}.items()}
    kinds = {name: pl.Enum(parts["train"][name].cast(pl.String).drop_nulls().unique().sort()) for name in texts}
    code = [pl.col(name).cast(pl.String).cast(kind, strict=False).to_physical() for name, kind in kinds.items()]
    x = {part: table.with_columns(code).select(pl.col(names).cast(pl.Float64)).to_numpy() for part, table in parts.items()}
    data = lgb.Dataset(x["train"], train["label"].to_numpy(), feature_name=names, categorical_feature=texts, free_raw_data=False)
    check = lgb.Dataset(x["valid"], valid["label"].to_numpy(), reference=data)
    parameters = {"objective": "binary", "learning_rate": 0.03, "num_leaves": 15, "min_data_in_leaf": 50, "feature_fraction": 0.7,
                  "bagging_fraction": 0.8, "bagging_freq": 1, "seed": SEED, "deterministic": True, "verbosity": -1, "force_row_wise": True}
    model = lgb.train(parameters, data, 2000, [check], callbacks=[lgb.early_stopping(100, verbose=False)])
    return model.predict(x["test"])


def main(folder, features, predictions):
    ours = pl.read_parquet(features).sort(TIME, KEY)
    judged = pl.read_parquet(predictions).select(KEY, guess="score")
    keys = ours.select(KEY, TIME, label=pl.col(LABEL).cast(pl.Int8))
    test = keys.join(judged, on=KEY, how="inner", maintain_order="left")
    earlier = keys.filter(pl.col(TIME) < test[TIME].min())
    edge = earlier[TIME][int(earlier.height * 60 / 75)]
    train, valid = earlier.filter(pl.col(TIME) < edge), earlier.filter(pl.col(TIME) >= edge)
    parts = [part.select(KEY, "label") for part in (train, valid, test)]
    label = test["label"].to_numpy()
    print(json.dumps({
        "rows": {"train": train.height, "valid": valid.height, "test": test.height, "late": float(label.mean())},
        "millrace": measured(label, test["guess"].to_numpy()),
        "by_hand": measured(label, fitted(by_hand(Path(folder)), *parts)),
        "lightgbm_on_our_features": measured(label, fitted(ours.drop(TIME, LABEL), *parts)),
    }, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
