"""A service for one model as one writes it by hand: FastAPI, LightGBM, one request per answer, nothing logged.

    BENCH_MODEL=model.txt BENCH_FEATURES=features.json uvicorn serving_by_hand:app
"""

import json
import os

import lightgbm
import numpy
from fastapi import FastAPI
from pydantic import BaseModel

booster = lightgbm.Booster(model_file=os.environ["BENCH_MODEL"])
NAMES = json.load(open(os.environ["BENCH_FEATURES"]))
app = FastAPI()


class Request(BaseModel):
    features: list[list[float | None]]


@app.get("/readyz")
def ready():
    return "ready"


@app.post("/predict")
def predict(request: Request):
    rows = numpy.array(request.features, dtype=float)
    return {"predictions": booster.predict(rows, num_threads=1).tolist()}
