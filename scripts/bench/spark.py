"""One machine beside Spark on the same machine: what it costs to have Spark carry the work, and from which size on it may pay.

    python spark.py --bin FOLDER --work FOLDER --python PYTHON [--rows ROWS...]

`PYTHON` is that of scripts/spark/setup. A log of purchases of each size is generated, cleaned, and its features are computed, by one
process and with `--engine spark` on `local[2]`; and so is a table with a row per customer (`groups`). All of it is deleted before
the next size. Spark gets the same two cores, so it cannot be faster: the difference is its price. The parts of the time come from
its log of rounds. Prints Markdown.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RAW = "data/raw/churn"

# The tool and the pipeline of each job.
STAGES = {"clean": ("clean", "churn"), "features": ("features", "churn"), "groups": ("clean", "groups")}

GROUPS = """\
tables:
  purchases:
    steps:
      - drop_null: {columns: [customer_id]}
      - aggregate:
          by: [customer_id]
          measures:
            orders: COUNT(*)
            spent: SUM(amount)
            largest: MAX(amount)
            products: COUNT(DISTINCT product)
            newest: MAX(ordered_at)
"""


class Watched:
    """Processor seconds of the processes of a session, looked at 20 times a second: of the stage itself, of the processes that work
    on parts, and of Spark, whose processes outlive those that started them."""

    def __init__(self, session):
        self.session, self.seconds, self.ended = session, {}, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        tick = os.sysconf("SC_CLK_TCK")
        while not self.ended.wait(0.05):
            for file in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = file.read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                kind = self.kind(file.parent) if int(fields[3]) == self.session else None
                if kind:
                    self.seconds[kind, file.parent.name] = (int(fields[11]) + int(fields[12])) / tick

    def kind(self, process):
        """The owner of a process; none if it has ended and was not waited for."""
        if process.name == str(self.session):
            return "stage"
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            return None
        return ("parts" if b"--kernel" in command else "Spark") if command else None

    def cpu(self):
        self.ended.set()
        self.thread.join()
        found = {"stage": 0.0, "parts": 0.0, "Spark": 0.0}
        for (kind, _), seconds in self.seconds.items():
            found[kind] += seconds
        return found


def run(command, environment):
    """Runs a command to its end. Seconds of wall time, and of processor time by whose it was."""
    with tempfile.TemporaryFile("w+") as messages:
        began = time.perf_counter()
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": messages}
        process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
        watched = Watched(process.pid)
        code = process.wait()
        seconds = time.perf_counter() - began
        if code:
            messages.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: exit {code}\n{messages.read()}")
    return seconds, watched.cpu()


def command(root, stage, arguments):
    tool, pipeline = STAGES[stage]
    # The rows of the log, whoever reads them.
    files = (root / RAW / "latest").read_text().split() if pipeline == "groups" else []
    return [f"{arguments.bin}/{tool}", pipeline, *files, "--force"]


def contents(root, stage, reader):
    """The hashes of what a stage has published, by table."""
    script = (
        "import json, sys, pyarrow.parquet as parquet\n"
        "for path in sys.argv[1:]:\n"
        "    told = json.loads(parquet.ParquetFile(path).metadata.metadata[b'millrace'])\n"
        "    print(told['table'], told['content'])\n"
    )
    tool, pipeline = STAGES[stage]
    latest = root / f"data/processed/{pipeline}/{tool}/latest"
    paths = [root / line for line in latest.read_text().split() if line.endswith(".parquet")]
    return subprocess.run([reader, "-c", script, *paths], capture_output=True, text=True, check=True).stdout


def measure(rows, arguments):
    root = Path(arguments.work) / f"spark-{rows}"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(REPOSITORY / "resources/churn", root / "resources/churn")
    (root / "resources/groups").mkdir()
    (root / "resources/groups/clean.yaml").write_text(GROUPS)
    environment = os.environ | {
        "MILLRACE_ROOT": str(root),
        "CHURN_PURCHASES": str(rows),
        "PYSPARK_PYTHON": arguments.python,
        "MILLRACE_SPARK_SUBMIT": f"--master {arguments.master} --driver-memory 4g --conf spark.ui.enabled=false",
        "MILLRACE_SPARK_SHIP": "0",
    }
    found = {}
    try:
        run([f"{arguments.bin}/ingest", "churn", "--quiet"], environment)
        for stage in arguments.stages:
            job = command(root, stage, arguments)
            here = min((run(job, environment) for _ in range(2)), key=lambda at: at[0])
            expected = contents(root, stage, arguments.python)
            there = run([*job, "--engine", "spark"], environment)
            if contents(root, stage, arguments.python) != expected:
                sys.exit(f"{stage} with {rows} rows: Spark gave something else")
            found[stage] = (here, there, rounds(root))
    finally:
        if not arguments.keep:
            shutil.rmtree(root, ignore_errors=True)
    return found


def rounds(root):
    """Seconds of the session's start and of the rounds of the last run with Spark, as carry.py has logged them."""
    log = max((root / "data/runs").glob("spark_*.log"), key=lambda path: path.stat().st_mtime)
    text = log.read_text(errors="replace")
    start = re.search(r"^carry: session after ([\d.]+) s", text, re.MULTILINE)
    return float(start[1]) if start else 0.0, [float(at) for at in re.findall(r"^carry: round \d+ took ([\d.]+) s", text, re.MULTILINE)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--python", default=str(REPOSITORY / ".cache/spark/bin/python3"))
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", help="write what was measured here, too")
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 10_000_000])
    arguments = parser.parse_args()
    print("## One machine beside Spark on the same machine\n")
    print("| purchases | stage | one machine, s | CPU, s | Spark, s | of it session | rounds | rest | CPU, s: stage | parts | Spark |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    everything = {}
    for rows in arguments.rows:
        everything[rows] = measure(rows, arguments)
        for stage, (here, there, (start, took)) in everything[rows].items():
            cells = [there[0], start, sum(took), there[0] - start - sum(took), *there[1].values()]
            cells = " | ".join(f"{cell:.1f}" for cell in [here[0], sum(here[1].values()), *cells])
            print(f"| {rows:,} | {stage} | {cells} |", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(everything))


if __name__ == "__main__":
    main()
