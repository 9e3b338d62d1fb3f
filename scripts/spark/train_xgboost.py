"""Trains an XGBoost model on a Spark cluster, from a feature table and by the split of a version that `train` wrote.

    spark-submit --master … scripts/spark/train_xgboost.py data/models/churn/v1 data/imported/churn.ubj --workers 10

The model learns from the rows of the train part and is stopped early by those of the validation part; rows of the test part are
not read. The file is imported by an experiment `xgboost: {model: data/imported/churn.ubj}` in train.yaml (docs/xgboost.md), which
holds it against the table by what this script writes into it: features, categories, classes, and by which parts it learned.

Needs xgboost, pyspark, pyarrow, pandas, scipy and scikit-learn; paths are those that all machines see. Equal inputs, settings and
numbers of workers give equal models as far as XGBoost does: its sums depend on the number of workers.
"""

import argparse
import json
import sys
from pathlib import Path

import pyarrow.parquet
from pyspark.sql import SparkSession, functions
from xgboost.spark import SparkXGBClassifier, SparkXGBRegressor

NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "boolean")


def asked():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=Path, help="folder of the version whose split is used, such as data/models/churn/v1")
    parser.add_argument("model", type=Path, help="file to write, ending in .ubj")
    parser.add_argument("--workers", type=int, default=2, help="tasks that train together (default: 2)")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--early-stopping", type=int, default=30, help="0 grows all trees")
    parser.add_argument("--objective", default="reg:squarederror", help="for regression")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter of XGBoost")
    arguments = parser.parse_args()
    if arguments.model.suffix != ".ubj":
        parser.error(f"{arguments.model}: the name of the model must end in .ubj")
    return arguments


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def number(text):
    """A setting as a number where it is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def evidence(path):
    """What a Parquet file of Millrace says of itself."""
    return json.loads(pyarrow.parquet.read_metadata(path).metadata[b"millrace"])


def place_in(texts, column):
    """The place of a text in a list, from 0; null of others."""
    place = functions.array_position(functions.array(*[functions.lit(text) for text in texts or [""]]), column)
    return functions.when((place > 0) & bool(texts), place - 1)


def rows_of(spark, version, manifest):
    """The rows of train and validation with their part in `_part`, and whether they may stop training in `_stops`."""
    root = version.resolve().parents[3]
    paths = [root / one["path"] for one in manifest["lineage"]["inputs"] if one["path"].endswith(".parquet")]
    tables = [str(path) for path in paths if evidence(path)["table"] == manifest["table"]]
    table, parts = spark.read.parquet(*tables), spark.read.parquet(str(version / "parts.parquet"))
    # The columns behind the keys are called so unless a key is; then they have `_` at their end.
    named = {name.rstrip("_"): name for name in parts.columns if name.rstrip("_") in ("part", "fold", "steering", "learned")}
    keys = [name for name in parts.columns if name in table.columns and name not in named.values()]
    if "fold" in named:
        sys.exit(f"{version}: it has folds, and no validation part to stop by; train it without 'folds' first")
    stops = functions.col(quoted(named["steering"])) if "steering" in named else functions.lit(True)
    parts = parts.select(
        *[functions.col(quoted(name)).alias(f"_key_{at}") for at, name in enumerate(keys)],
        functions.col(quoted(named["part"])).alias("_part"),
        stops.alias("_stops"),
    )
    same = [functions.col(quoted(name)).eqNullSafe(functions.col(f"_key_{at}")) for at, name in enumerate(keys)]
    joined = table.join(parts, same).drop(*[f"_key_{at}" for at in range(len(keys))])
    if not parts.count() == joined.count() == parts.select(*[f"_key_{at}" for at in range(len(keys))]).distinct().count():
        sys.exit(f"{version}: its parts do not name the rows of {', '.join(tables)} one by one; train a new version first")
    train, valid = functions.col("_part") == "train", (functions.col("_part") == "valid") & functions.col("_stops")
    return joined.where(train | valid)


def prepared(table, manifest):
    """Features as numbers, the label as number, and what the model has to know of both."""
    features, columns = [], []
    train = table.where(functions.col("_part") == "train")
    kinds = dict(table.dtypes)
    for at, feature in enumerate(manifest["features"]):
        name, column = feature["name"], functions.col(quoted(feature["name"]))
        feature = {key: feature[key] for key in ("name", "type", "kind")}
        if feature["kind"] == "categorical":
            # A category is its place among the sorted ones of the train part; others are missing.
            found = sorted(row[0] for row in train.select(column).distinct().collect() if row[0] is not None)
            feature["categories"] = found
            column = place_in(found, column)
        elif kinds[name] not in NUMBERS:
            sys.exit(f"feature '{name}' is {kinds[name]}: derive a number, a text or a truth value of it in features.yaml")
        features.append(feature)
        columns.append(column.cast("double").alias(f"_feature_{at}"))
    label, classes = functions.col(quoted(manifest["label"])), (manifest.get("classes") or {}).get("names", [])
    if classes:
        label = place_in(classes, label.cast("string"))
    weight = functions.col(quoted(manifest["weight"])) if manifest.get("weight") else functions.lit(1.0)
    others = [label.cast("double").alias("_label"), weight.cast("double").alias("_weight")]
    order = [quoted(name) for name in (manifest["entity"], manifest.get("time")) if name]
    valid = (functions.col("_part") == "valid").alias("_valid")
    return table.select(*columns, *others, valid, *order), order, features, classes


def main():
    arguments = asked()
    with open(arguments.version / "model.json", encoding="utf-8") as file:
        manifest = json.load(file)
    spark = SparkSession.builder.appName(f"train xgboost {arguments.version}").getOrCreate()
    # As clean and features see them: instants are UTC, and `a` is another column than `A`.
    for name, value in {"spark.sql.session.timeZone": "UTC", "spark.sql.caseSensitive": "true"}.items():
        spark.conf.set(name, value)
    table, order, features, classes = prepared(rows_of(spark, arguments.version, manifest), manifest)
    # The same rows in the same order in as many parts as workers, so that a second run gives the same model.
    table = table.repartition(arguments.workers, order[0]).sortWithinPartitions(*order, *table.columns[: len(features)])
    estimator = SparkXGBRegressor if manifest["task"] == "regression" else SparkXGBClassifier
    settings = {"objective": arguments.objective} if manifest["task"] == "regression" else {}
    settings |= {name: number(value) for name, value in (one.split("=", 1) for one in arguments.set)}
    if arguments.early_stopping:
        settings["early_stopping_rounds"] = arguments.early_stopping
    fitted = estimator(
        features_col=[f"_feature_{at}" for at in range(len(features))],
        feature_names=[f"f{at}" for at in range(len(features))],
        feature_types=["c" if feature["kind"] == "categorical" else "float" for feature in features],
        label_col="_label",
        weight_col="_weight",
        validation_indicator_col="_valid",
        num_workers=arguments.workers,
        n_estimators=arguments.trees,
        learning_rate=arguments.learning_rate,
        max_depth=arguments.depth,
        tree_method="hist",
        random_state=manifest["seed"] % 2**31,
        **settings,
    ).fit(table)
    booster = fitted.get_booster()
    if arguments.early_stopping:
        booster = booster[: booster.best_iteration + 1]
    mark = {
        "version": manifest["lineage"]["version"],
        "parts": evidence(arguments.version / "parts.parquet")["content"],
        "label": manifest["label"],
        "classes": classes,
        "features": features,
    }
    booster.set_attr(millrace=json.dumps(mark, ensure_ascii=False), best_iteration=None, best_score=None)
    arguments.model.parent.mkdir(parents=True, exist_ok=True)
    booster.save_model(arguments.model)
    print(f"{arguments.model}: {booster.num_boosted_rounds()} rounds of trees from {len(features)} features")


if __name__ == "__main__":
    main()
