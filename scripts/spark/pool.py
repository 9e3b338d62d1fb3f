"""An engine of a cluster of Dask or Ray in place of carry.py. An example for engines of your own that deal out rows.

    MILLRACE_SPARK_SCRIPT=scripts/spark/pool.py PYSPARK_PYTHON=python3 bin/clean churn --engine spark

It needs pyarrow and `dask distributed`, or `ray`, in that Python and on the workers. The cluster is that of DASK_SCHEDULER_ADDRESS or
RAY_ADDRESS; without them, processes of this machine, by Dask where it is installed. Workers must have the project and the program at
the same paths as this machine.

A round has two steps, so a pool only has to apply a function to a list. First, files are divided into parts, with all rows of a key in
the same one; the pieces lie in the folder of the run, which the stage removes. Then each part goes through a process. The
protocol is that of carry.py (docs/adr/0023-spark-carries.md).
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import uuid
import zlib
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.parquet

# How often a part is tried whose process was killed or may succeed later. Lost workers are the pool's affair.
TRIES = 3


class Dask:
    def __init__(self):
        from distributed import Client

        self.client = Client()
        self.cores = sum(self.client.nthreads().values())

    def map(self, function, items):
        return self.client.gather(self.client.map(function, items, pure=False))


class Ray:
    def __init__(self):
        import ray

        ray.init(log_to_driver=False)
        self.get, self.remote = ray.get, ray.remote
        self.cores = int(ray.cluster_resources()["CPU"])

    def map(self, function, items):
        task = self.remote(function)
        return self.get([task.remote(item) for item in items])


def pool():
    """Of both libraries, the one whose cluster is named."""
    has_dask = importlib.util.find_spec("distributed") is not None
    return Dask() if has_dask and "RAY_ADDRESS" not in os.environ else Ray()


def batches(paths, columns):
    """The rows of some files. pyarrow cannot select rows of views, so that texts are made plain."""
    for path in paths:
        # `columns` also finds those that begin with a name and a dot.
        for rows in pyarrow.parquet.ParquetFile(path).iter_batches(columns=columns):
            rows = rows.select(columns)
            is_view = pyarrow.types.is_string_view
            yield rows.cast(pyarrow.schema([field.with_type(pyarrow.string()) if is_view(field.type) else field for field in rows.schema]))


def part_of_rows(rows, key, count):
    """For each row the part that it goes to. Equal keys are equal as texts: they are texts, categories and whole numbers."""
    texts = [rows[name].cast(pyarrow.string()) for name in key]
    texts = pyarrow.compute.binary_join_element_wise(*texts, "/", null_handling="replace").dictionary_encode()
    parts = [zlib.crc32(text.encode()) % count for text in texts.dictionary.to_pylist()]
    return pyarrow.array(parts, pyarrow.int64()).take(texts.indices)


def divide(paths, columns, key, count, folder):
    """Writes the rows of some files into `count` pieces."""
    pieces = [f"{folder}/piece-{uuid.uuid4()}.parquet" for _ in range(count)]
    with contextlib.ExitStack() as stack:
        writers = []
        for at, rows in enumerate(batches(paths, columns)):
            writers = writers or [stack.enter_context(pyarrow.parquet.ParquetWriter(piece, rows.schema)) for piece in pieces]
            # Without a key, batches in turn.
            parts = part_of_rows(rows, key, count) if key else pyarrow.array([at % count] * rows.num_rows)
            for part, writer in enumerate(writers):
                writer.write_batch(rows.filter(pyarrow.compute.equal(parts, part)))
    return pieces if writers else []


def answer(program, arguments, environment, files):
    """What the process of a part says: 0, 1 and 2 are results."""
    for _ in range(TRIES):
        done = subprocess.run([program, *arguments, *files], env=os.environ | environment, capture_output=True, text=True)
        if done.returncode in (0, 1, 2):
            break
    return {"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def carry(workers, program, folder, round_):
    """What the processes of a round say."""
    [table] = round_["inputs"]
    count = round_["partitions"] or workers.cores
    shares = [share for share in (table["paths"][at::count] for at in range(count)) if share]
    columns, key, arguments, environment = table["columns"], round_["key"], round_["arguments"], round_["environment"]
    # Functions that hold what they need: pools write arguments of tasks that fail into their logs, and these variables are secret.
    divided = workers.map(lambda paths: divide(paths, columns, key, count, folder), shares)
    parts = zip(*filter(None, divided))
    return workers.map(lambda files: answer(program, arguments, environment, files), list(parts))


def main():
    path = Path(sys.argv[1]).resolve()
    plan = json.loads(path.read_text())
    answers = os.fdopen(os.dup(1), "w")
    # What the pool and its libraries print goes to the log.
    log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def say(**line):
        print(json.dumps(line), file=answers, flush=True)

    workers = pool()
    for line in sys.stdin:
        round_ = json.loads(line)
        number = round_["round"]
        found = carry(workers, plan["binary"]["path"], str(path.parent), round_)
        failed = [one for one in found if one["exit"] not in (0, 1, 2)]
        if failed:
            last = "".join(failed[0]["stderr"].strip().splitlines()[-1:])
            say(round=number, error=f"a process failed with every try: {last}", hint="see the log", exit=75)
            sys.exit(75)
        for one in found:
            say(round=number, **one)
        say(round=number, done=True, seconds=0)


if __name__ == "__main__":
    main()
