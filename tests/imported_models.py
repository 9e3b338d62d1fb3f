"""Scores of an imported model by XGBoost itself, and copies of the model that `train` must refuse.

    python imported_models.py MODEL TABLE FOLDER

Called by tests/spark.rs. Prints a line of JSON: the score of each row of the Parquet file TABLE, by entity and cutoff. Writes into FOLDER
a copy for each way in which a model does not fit.
"""

import json
import math
import sys
from pathlib import Path

import numpy
import pyarrow.parquet
import xgboost

MARK = "millrace"


def cell(value, feature):
    """A value as the model has it: a category is its place in the list, and others are missing."""
    if value is None:
        return math.nan
    if feature["kind"] != "categorical":
        return float(value)
    known = feature["categories"]
    return float(known.index(value)) if value in known else math.nan


def matrix(rows, features, label=None):
    values = [[cell(row[feature["name"]], feature) for feature in features] for row in rows]
    types = ["c" if feature["kind"] == "categorical" else "float" for feature in features]
    names = [f"f{at}" for at in range(len(features))]
    return xgboost.DMatrix(numpy.array(values), label=label, feature_names=names, feature_types=types, enable_categorical=True)


def marked(booster, path, **changes):
    booster.set_attr(**{MARK: json.dumps(mark | changes)})
    booster.save_model(path)


model, table, folder = (Path(text) for text in sys.argv[1:])
booster = xgboost.Booster(model_file=model)
mark = json.loads(booster.attr(MARK))
features = mark["features"]
rows = pyarrow.parquet.read_table(table).to_pylist()
scores = booster.predict(matrix(rows, features)).astype(float)
print(json.dumps({f"{row['customer_id']} {row['cutoff']}": score for row, score in zip(rows, scores)}))

marked(booster, folder / "order.ubj", features=[features[1], features[0], *features[2:]])
marked(booster, folder / "parts.ubj", parts="0" * 64)
marked(booster, folder / "version.ubj", version="v99")
marked(booster, folder / "label.ubj", label="stayed")
categorical = next(at for at, feature in enumerate(features) if feature["kind"] == "categorical")
fewer = features[categorical] | {"categories": features[categorical]["categories"][1:]}
marked(booster, folder / "categories.ubj", features=[*features[:categorical], fewer, *features[categorical + 1 :]])

label = [float(at % 2) for at in range(len(rows))]
some = features[:-1]
marked(xgboost.train({"objective": "binary:logistic"}, matrix(rows, some, label), 2), folder / "missing.ubj", features=some)
marked(xgboost.train({"objective": "reg:squarederror"}, matrix(rows, features, label), 2), folder / "objective.ubj")

whole = model.read_bytes()
(folder / "cut_off.ubj").write_bytes(whole[:-100])
# The first tree says that it has another number of nodes.
before, after = whole.split(b"num_nodesSL", 1)
(folder / "damaged.ubj").write_bytes(before + b"num_nodesSL" + (1).to_bytes(8, "big") + b"1" + after[9:])
unmarked = xgboost.Booster(model_file=model)
unmarked.set_attr(**{MARK: None})
unmarked.save_model(folder / "unmarked.ubj")
booster.save_model(folder / "text.json")
(folder / "text.json").rename(folder / "text.ubj")
