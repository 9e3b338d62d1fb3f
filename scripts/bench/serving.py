"""Measures `serve` beside MLflow's scoring server and a service by hand (FastAPI and LightGBM): the same model, the same machine, which
also sends the requests. Prints Markdown tables. Part of `make bench`.

    python serving.py --work FOLDER --load PROGRAM [--seconds 10] [--requests 100000] [--rows 1000000] [--sales 5000000] [--flat 300] [--only PART]

PROGRAM is the example `load` of the crate testkit. `serve` writes each request to disk before it answers; the others log nothing.
PART is one of beside, flat, swaps, online, results. The defaults take about ten minutes; for a short look: --seconds 2 --requests 5000
--rows 50000 --sales 100000 --flat 20.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import lightgbm
import numpy
import pyarrow as pa
import pyarrow.parquet as pq

import goals

REPOSITORY = Path(__file__).resolve().parents[2]
PREDICTIONS = "/api/v1/pipelines/churn/predictions"
ARROW = "application/vnd.apache.arrow.stream"
MANY = 1000


def tool(name, *arguments, root, environment=None):
    """Runs a tool of the project to its end."""
    environment = os.environ | {"MILLRACE_ROOT": str(root)} | (environment or {})
    done = subprocess.run([REPOSITORY / "bin" / name, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def pipeline(root, name, files, environment=None, tools=("ingest", "clean", "features", "train", "predict")):
    """Writes the files of a pipeline and runs it."""
    folder = root / "resources" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / f"{file}.yaml").write_text(text)
    for each in tools:
        if each in files:
            tool(each, name, root=root, environment=environment)


class Server:
    """A server on a free port, until the end of the block."""

    def __init__(self, command, environment, ready, url=None):
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL if url else subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = url or self.process.stdout.readline().strip()
        while True:
            try:
                with urllib.request.urlopen(self.url + ready) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - self.began > 180:
                    sys.exit(f"{command[0]} does not answer")
                time.sleep(0.005)
        self.ready_after = time.perf_counter() - self.began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def memory(self):
        """Resident memory in MiB: its own, and that of the processes that it started."""
        pids = [self.process.pid] + [int(pid) for pid in subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()]
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


    def cpu(self):
        """Seconds of CPU so far, by the name of the thread."""
        seconds = {}
        for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            text = stat.read_text()
            fields = text[text.rindex(")") + 2:].split()
            name = text[text.index("(") + 1:text.rindex(")")]
            seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return seconds

    def until_on_disk(self):
        """The histogram of the times until requests are on disk: upper bound in seconds and requests up to it."""
        with urllib.request.urlopen(self.url + "/metrics") as answer:
            text = answer.read().decode()
        counts = {}
        for labels, count in re.findall(r"^millrace_serve_journal_seconds_bucket\{([^}]*)\} (\d+)", text, re.MULTILINE):
            of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if of.get("journal") == "requests":
                counts[float(of["le"])] = int(count)
        return counts


def quantile(before, after, share):
    """The upper bound, in ms, of the bucket that holds a quantile of what came between two histograms."""
    counts = sorted((bound, count - before.get(bound, 0)) for bound, count in after.items())
    total = counts[-1][1] if counts else 0
    return next((bound * 1e3 for bound, count in counts if total and count >= share * total), float("nan"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(root, *arguments):
    return Server([REPOSITORY / "bin/serve", "--listen", "127.0.0.1:0", *arguments], {"MILLRACE_ROOT": str(root)}, "/readyz")


def load(program, server, path, bodies, connections, **flags):
    """What the load generator measured."""
    flags = [text for name, value in flags.items() for text in (f"--{name}", str(value))]
    done = subprocess.run([program, server.url, path, bodies, str(connections), *flags], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"load: {done.stderr}")
    measured = json.loads(done.stdout)
    if measured["failed"] or not measured["answered"]:
        sys.exit(f"{path}: {measured}")
    return measured


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def shown(measured):
    return f"{measured['per_second']:,.0f}", f"{measured['p50_ms']:.2f}", f"{measured['p95_ms']:.2f}", f"{measured['p99_ms']:.2f}"


def churn(root):
    """The shipped pipeline `churn` with one LightGBM model. Returns (model file, names, matrix of the scoring table, keys)."""
    source = REPOSITORY / "resources/churn"
    files = {file.stem: file.read_text() for file in source.glob("*.yaml") if file.stem not in ("export", "monitor")}
    before, rest = files["train"].split("experiments:", 1)
    files["train"] = before + "experiments: {one: {lightgbm: {trees: 100}}}\nchoose_by:" + rest.split("choose_by:", 1)[1]
    for strict, lenient in (("at_least: 0.70", "at_least: 0.5"), ("{metric: brier, at_most: 0.25}", "{metric: brier, at_most: 0.5}")):
        files["train"] = files["train"].replace(strict, lenient)
    files["serve"] = "table: scoring\nrollout: {smoke_for: 1ms, watch_for: 1ms}\n"
    pipeline(root, "churn", files)
    version = max((root / "data/models/churn").glob("v*"), key=lambda path: int(path.name[1:]))
    manifest = json.loads((version / "model.json").read_text())
    features = (root / "data/processed/churn/features/latest").read_text().split()
    table = pq.read_table(root / next(path for path in features if "/scoring_" in path))
    names, columns, values = [], [], []
    for feature in manifest["features"]:
        name, column = feature["name"], table.column(feature["name"])
        categories = feature.get("categories")
        names.append(name)
        values.append(column.to_pylist())
        codes = [None if value not in (categories or ()) else categories.index(value) for value in values[-1]] if categories else column
        columns.append(numpy.array([numpy.nan if value is None else float(value) for value in (codes if categories else column.to_pylist())]))
    keys = table.column(manifest["entity"]).to_pylist()
    return version / manifest["file"], names, numpy.column_stack(columns), values, keys, table


def write_bodies(folder, names, matrix, values, keys, table):
    """The bodies of requests: the same rows for every server. JSON has one body per line."""
    chosen = random.Random(1).sample(range(len(keys)), min(2000, len(keys)))
    many = [at % len(keys) for at in range(MANY)]
    lists = [[None if numpy.isnan(number) else number for number in line] for line in matrix[chosen].tolist()]
    many_lists = [[None if numpy.isnan(number) else number for number in line] for line in matrix[many].tolist()]

    def plain(value):
        return value.isoformat() if hasattr(value, "isoformat") else value

    def features(at):
        return {name: plain(column[at]) for name, column in zip(names, values)}

    bodies = {
        "keys": [{"key": keys[at]} for at in chosen],
        "features": [{"features": features(at)} for at in chosen],
        "by_hand": [{"features": [line]} for line in lists],
        "mlflow": [{"inputs": [[float("nan") if cell is None else cell for cell in line]]} for line in lists],
        "many_keys": [{"keys": [keys[at] for at in many]}],
        "many_by_hand": [{"features": many_lists}],
        "many_mlflow": [{"inputs": [[float("nan") if cell is None else cell for cell in line] for line in many_lists]}],
    }
    for name, all_of_them in bodies.items():
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(body) for body in all_of_them) + "\n")
    rows = pa.Table.from_pandas(table.select(names).to_pandas().iloc[many], preserve_index=False)
    with pa.OSFile(str(folder / "many.arrow"), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows)
    pq.write_table(rows, folder / "many.parquet")
    return many


def beside(work, root, program, seconds):
    """One row and a thousand rows per request, beside the other servers."""
    model, names, matrix, values, keys, table = churn(root)
    many = write_bodies(work, names, matrix, values, keys, table)
    (work / "features.json").write_text(json.dumps(names))
    measured = {}
    with serve(root, "churn") as server:
        ready = server.ready_after
        memory = server.memory()
        for name in ("keys", "features"):
            measured[name] = load(program, server, PREDICTIONS, work / f"{name}.jsonl", 16, seconds=seconds)
        # Open-loop: each request has its time, and its latency counts from then, whether a connection is free or not.
        half = measured["keys"]["per_second"] / 2
        disk = server.until_on_disk()
        measured["half"] = load(program, server, PREDICTIONS, work / "keys.jsonl", 16, seconds=seconds, rate=half)
        until_on_disk = [quantile(disk, server.until_on_disk(), share) for share in (0.5, 0.95, 0.99)]
        cpu = server.cpu()
        measured["many_keys"] = load(program, server, PREDICTIONS, work / "many_keys.jsonl", 2, seconds=seconds)
        per_row = {name: (after - cpu.get(name, 0)) / (measured["many_keys"]["answered"] * MANY) * 1e6 for name, after in server.cpu().items()}
        for name, kind in (("arrow", ARROW), ("parquet", "application/vnd.apache.parquet")):
            path = f"{PREDICTIONS}?way=features"
            measured[name] = load(program, server, path, work / f"many.{name}", 2, seconds=seconds, type=kind)
        after = server.memory()
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "serving_by_hand:app", "--port", str(port), "--log-level", "warning", "--app-dir", str(REPOSITORY / "scripts/bench")]
    environment = {"BENCH_MODEL": str(model), "BENCH_FEATURES": str(work / "features.json")}
    with Server(command, environment, "/readyz", f"http://127.0.0.1:{port}") as server:
        measured["by_hand"] = load(program, server, "/predict", work / "by_hand.jsonl", 16, seconds=seconds)
        measured["many_by_hand"] = load(program, server, "/predict", work / "many_by_hand.jsonl", 2, seconds=seconds)
    import mlflow.lightgbm

    saved = work / "mlflow"
    shutil.rmtree(saved, ignore_errors=True)
    booster = lightgbm.Booster(model_file=str(model))
    mlflow.lightgbm.save_model(booster, saved)
    port = free_port()
    command = [Path(sys.executable).parent / "mlflow", "models", "serve", "-m", str(saved), "-p", str(port), "--env-manager", "local"]
    # It starts uvicorn by its name.
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with Server(command, path, "/ping", f"http://127.0.0.1:{port}") as server:
        measured["mlflow"] = load(program, server, "/invocations", work / "mlflow.jsonl", 16, seconds=seconds)
        measured["many_mlflow"] = load(program, server, "/invocations", work / "many_mlflow.jsonl", 2, seconds=seconds)
    rows = matrix[many]
    booster.predict(rows)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        booster.predict(rows)
        count += 1
    bare = count * MANY / (time.perf_counter() - began)

    print("\nOne row per request, 16 connections:\n")
    row("server", "requests/s", "P50 ms", "P95 ms", "P99 ms", "serve is so many times faster")
    row("---", "---:", "---:", "---:", "---:", "---:")
    ours = measured["features"]["per_second"]
    for title, name in (("serve, by key", "keys"), ("serve, by features", "features"), ("FastAPI and LightGBM", "by_hand"), ("MLflow", "mlflow")):
        ratio = "" if title.startswith("serve") else f"{ours / measured[name]['per_second']:.1f}"
        row(title, *shown(measured[name]), ratio)
    row("serve, by key, at half of its top rate", *shown(measured["half"]), "")
    shares = ", ".join(f"P{share} {bound:g} ms" for share, bound in zip((50, 95, 99), until_on_disk))
    print(f"\nOf that, until the log of the request was on disk (buckets of a histogram): at most {shares}.")
    print(f"\n{MANY:,} rows per request, 2 connections:\n")
    row("server", "rows/s", "P50 ms", "P95 ms")
    row("---", "---:", "---:", "---:")
    titles = {"many_keys": "serve, keys in JSON", "arrow": "serve, Arrow", "parquet": "serve, Parquet", "many_by_hand": "FastAPI and LightGBM", "many_mlflow": "MLflow"}
    for name, title in titles.items():
        at = measured[name]
        row(title, f"{at['per_second'] * MANY:,.0f}", f"{at['p50_ms']:.1f}", f"{at['p95_ms']:.1f}")
    row("Booster.predict, no server", f"{bare:,.0f}", "", "")
    threads = ", ".join(f"{name} {micros:.2f}" for name, micros in sorted(per_row.items(), key=lambda one: -one[1]) if micros >= 0.005)
    print(f"\nCPU of `serve` with keys in JSON, microseconds per row by thread: {threads}.")
    per_second = {name: at["per_second"] for name, at in measured.items()}
    goals.note("one row per request, requests/s by those of MLflow", ours / per_second["mlflow"], at_least=20)
    goals.note("one row per request, requests/s by those of FastAPI and LightGBM", ours / per_second["by_hand"], at_least=5)
    goals.note("one key per request, 16 connections, requests/s", per_second["keys"], at_least=20_000)
    goals.note("P99 at half of the top rate", measured["half"]["p99_ms"], " ms", at_most=5)
    goals.note("1,000 keys per request, rows/s by those of Booster.predict", per_second["many_keys"] * MANY / bare, at_least=1)
    goals.note("start to ready", ready, " s", at_most=1)
    print(f"\nStart to ready: {ready * 1e3:.0f} ms. Memory: {memory:.0f} MiB when ready, {after:.0f} MiB after {sum(m['answered'] for m in measured.values()):,} requests to all.")


def flat(work, root, program, seconds):
    """Memory under load, over time."""
    if seconds < 1:
        return
    with serve(root, "churn") as server:
        asker = subprocess.Popen([program, server.url, PREDICTIONS, work / "keys.jsonl", "16", "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)
        many = subprocess.Popen([program, server.url, PREDICTIONS, work / "many_keys.jsonl", "1", "--seconds", str(seconds), "--rate", "5"], stdout=subprocess.PIPE, text=True)
        began, series = time.perf_counter(), []
        while asker.poll() is None:
            series.append((time.perf_counter() - began, server.memory()))
            time.sleep(max(0.2, seconds / 60))
        measured = json.loads(asker.communicate()[0])
        many.wait()
    # The first sixth is left out: caches and the buffers of connections fill.
    later = [mib for at, mib in series if at > seconds / 6]
    times = numpy.array([at for at, _ in series if at > seconds / 6])
    slope = numpy.polyfit(times, numpy.array(later), 1)[0] * 60 if len(later) > 2 else float("nan")
    shown_series = ", ".join(f"{mib:.0f}" for _, mib in series[:: max(1, len(series) // 20)])
    print(f"\nMemory over {seconds:.0f} s at {measured['per_second']:,.0f} requests/s, and 5 requests of {MANY:,} rows per second beside them: {shown_series} MiB. "
          f"After the first sixth {min(later):.0f} to {max(later):.0f} MiB, a slope of {slope:+.2f} MiB per minute.")
    goals.note("memory under load, growth per minute", slope, " MiB")


def swaps(work, root, program, requests):
    """Requests while versions change: none fails, and each is in the log once."""
    train = root / "resources/churn/train.yaml"
    text = train.read_text()
    train.write_text(text.replace("trees: 100", "trees: 50"))
    tool("train", "churn", "--force", root=root)
    history = tool("release", "churn", "--history", root=root)
    ids = work / "ids.txt"
    shutil.rmtree(root / "data/raw/churn_served", ignore_errors=True)
    with serve(root, "churn") as server:
        # So fast that the requests take as long as the six changes.
        flags = ["--requests", str(requests), "--ids", str(ids), "--rate", str(requests / 9)]
        began = time.perf_counter()
        asker = subprocess.Popen([program, server.url, PREDICTIONS, work / "keys.jsonl", "16", *flags], stdout=subprocess.PIPE, text=True)
        version = 2 if " promote v2" not in history.splitlines()[-1] else 1
        done = 0
        for swap in range(6):
            time.sleep(1)
            if swap == 5:
                tool("release", "churn", "--rollback", "--why", "bench", root=root)
            else:
                tool("release", "churn", "--promote", f"v{version}", "--why", "bench", root=root)
                version = 3 - version
            done += asker.poll() is None
        measured = json.loads(asker.communicate()[0])
        seconds = time.perf_counter() - began
    sealed = (root / "data/raw/churn_served/latest").read_text().split()
    logged = [id for path in sealed if "/requests_" in path for id in pq.read_table(root / path, columns=["request_id"]).column(0).to_pylist()]
    answered = ids.read_text().split()
    double, unlogged = len(logged) - len(set(logged)), len(set(answered) - set(logged))
    print(f"\n{len(answered):,} requests through five swaps and a rollback ({done} while requests ran, {seconds:.1f} s): {measured['failed']} failed, {double} double, {unlogged} unlogged.")
    goals.note(f"{len(answered):,} requests through changes of the version: failed, double or unlogged", measured["failed"] + double + unlogged, at_most=0)
    if measured["failed"] or double or unlogged or len(answered) != requests:
        sys.exit("a request failed, or the log is not what was answered")


ROWS_FEATURES = """table: sales
key: id
time: at
rows: {}
label: {name: value, is: {sql: price}, known_with: [price]}
score: {from: "%s"}
features:
  area: {sql: area}
  mean_90d: {mean: {of: price, by: district, window: 90d}}
  mean_365d: {mean: {of: price, by: complex, window: 365d}}
  last: {last: {of: price, by: complex}}
  sales_365d: {count: {by: complex, window: 365d}}
"""


def online(work, root, program, sales, seconds):
    """Features of rows that no table holds, computed against so many sales."""
    random_numbers = numpy.random.default_rng(1)
    days = numpy.sort(random_numbers.integers(0, 1826, sales))
    homes = random_numbers.integers(0, 20_000, sales)
    area = random_numbers.uniform(20, 150, sales)
    table = pa.table({
        "id": numpy.arange(sales),
        "at": (numpy.datetime64("2020-01-01") + days).astype("datetime64[D]"),
        "complex": homes,
        "district": homes % 25,
        "area": area,
        "price": (area * 1000 * random_numbers.uniform(0.8, 1.2, sales)).round(),
    })
    pq.write_table(table, root / "sales.parquet")
    last = str(numpy.datetime64("2020-01-01") + 1820)
    pipeline(root, "sales", {
        "ingest": "tables:\n  sales:\n    source: {file: {path: sales.parquet}}\n",
        "clean": "tables:\n  sales: {}\n",
        "features": ROWS_FEATURES % last,
        "train": "table: training\nlabel: value\ntask: regression\nentity: id\ntime: at\nexclude: [id, at]\nsplit: {by: group}\n"
                 "experiments: {linear: elastic_net}\nresamples: 100\n",
        "predict": "table: scoring\nreasons: 0\n",
        "serve": "table: scoring\n",
    })
    bodies = [
        {"row": {"complex": int(home), "district": int(home) % 25, "area": 59.0, "price": None, "at": "2024-12-31"}}
        for home in random_numbers.integers(0, 20_000, 2000)
    ]
    (work / "rows.jsonl").write_text("\n".join(json.dumps(body) for body in bodies) + "\n")
    path = "/api/v1/pipelines/sales/predictions"
    with serve(root, "sales") as server:
        while True:
            with urllib.request.urlopen(server.url + "/api/v1/pipelines/sales") as answer:
                if json.load(answer).get("row"):
                    break
            time.sleep(0.1)
        tables = time.perf_counter() - server.began
        one = load(program, server, path, work / "rows.jsonl", 1, seconds=seconds)
        four = load(program, server, path, work / "rows.jsonl", 4, seconds=seconds)
        memory = server.memory()
    print(f"\nFeatures computed online over {sales:,} sales (ready for rows after {tables:.1f} s, {memory:,.0f} MiB):\n")
    row("connections", "requests/s", "P50 ms", "P95 ms", "P99 ms")
    row("---:", "---:", "---:", "---:", "---:")
    row(1, *shown(one))
    row(4, *shown(four))
    goals.note(f"features computed online over {sales:,} sales, P95", max(one["p95_ms"], four["p95_ms"]), " ms", at_most=10)


def results(work, root, program, rows, seconds):
    """Pages of results of so many rows."""
    random_numbers = numpy.random.default_rng(2)
    shares = random_numbers.uniform(0, 1, rows + 400)
    known = numpy.arange(rows + 400) < 400
    bought = pa.array(random_numbers.uniform(0, 1, rows + 400) < shares, mask=~known)
    table = pa.table({
        "id": numpy.arange(rows + 400),
        "at": numpy.where(known, numpy.datetime64("2026-01-01"), numpy.datetime64("2026-02-01")).astype("datetime64[D]"),
        "income": shares,
        "bought": bought,
    })
    pq.write_table(table, root / "people.parquet")
    pipeline(root, "people", {
        "ingest": "tables:\n  people:\n    source: {file: {path: people.parquet}}\n",
        "clean": "tables:\n  people: {}\n",
        "features": "table: people\nkey: id\ntime: at\nrows: {}\nlabel: {name: bought, is: {sql: bought}}\nfeatures: {income: {sql: income}}\n",
        "train": "table: training\nlabel: bought\ntask: classification\nentity: id\ntime: at\nexclude: [id, at]\nsplit: {by: group}\n"
                 "experiments: {linear: logistic}\nresamples: 100\n",
        "predict": "table: scoring\nreasons: 0\n",
        "serve": "table: scoring\n",
    })
    (work / "none.jsonl").write_text("")
    with serve(root, "people") as server:
        print(f"\nResults of {rows:,} rows, 4 connections:\n")
        row("query", "requests/s", "P50 ms", "P95 ms", "P99 ms")
        row("---", "---:", "---:", "---:", "---:")
        slowest = 0
        for query in ("page=7", "sort=-score", "score.ge=0.9&sort=-score", "id=4242"):
            path = f"/api/v1/results?pipeline=people&{query}"
            found = load(program, server, path, work / "none.jsonl", 4, seconds=seconds)
            row(f"`{query}`", *shown(found))
            slowest = max(slowest, found["p95_ms"])
        row("one key", *shown(load(program, server, "/api/v1/results/4242?pipeline=people", work / "none.jsonl", 4, seconds=seconds)))
        memory = server.memory()
    goals.note(f"pages of {rows:,} results, P95 of the slowest query", slowest, " ms", at_most=20)
    print(f"\nReady after {server.ready_after * 1e3:.0f} ms, {memory:,.0f} MiB.")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--load", type=Path, required=True)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--requests", type=int, default=100_000)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--sales", type=int, default=5_000_000)
    arguments.add_argument("--flat", type=float, default=300)
    arguments.add_argument("--only", choices=["beside", "flat", "swaps", "online", "results"])
    given = arguments.parse_args()
    root = given.work / "serving"
    shutil.rmtree(root, ignore_errors=True)
    (root / "resources").mkdir(parents=True)
    print(f"## Serving\n\n{os.cpu_count()} cores, which also send the requests.")
    parts = {
        "beside": lambda: beside(given.work, root, given.load, given.seconds),
        "flat": lambda: flat(given.work, root, given.load, given.flat),
        "swaps": lambda: swaps(given.work, root, given.load, given.requests),
        "online": lambda: online(given.work, root, given.load, given.sales, given.seconds),
        "results": lambda: results(given.work, root, given.load, given.rows, given.seconds),
    }
    if given.only in ("flat", "swaps"):
        # Both use the pipeline that the comparison makes.
        model, names, matrix, values, keys, table = churn(root)
        write_bodies(given.work, names, matrix, values, keys, table)
    for name, part in parts.items():
        if given.only in (None, name):
            part()
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
