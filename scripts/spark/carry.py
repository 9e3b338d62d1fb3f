"""Has Spark carry a table to Millrace: every partition goes through a process of the tool, which does the work.

    python carry.py PLAN.json

Started by `--engine spark`, not by hand. The protocol (docs/adr/0023-spark-carries.md), one JSON object per line:

    PLAN.json  {"version": 1, "name", "log", "binary": {"path", "ship"}}
    stdin      {"round", "inputs": [{"paths", "columns"}], "key", "partitions", "arguments", "environment"}
    stdout     {"round", "exit", "stdout", "stderr"} per process, then {"round", "done": true, "seconds"};
               or {"round", "failed", "text"}: Python's exception, which the tool puts into plain words

The session is that of SPARK_REMOTE (Spark Connect), or one of its own with the options of spark-submit in
MILLRACE_SPARK_SUBMIT. What Spark itself has to say goes to the file `log`. A process that ends with 0, 1 or 2 has given
a result: Spark must not try again what was refused. Any other end is tried again, as far as Spark's settings allow.
"""

import contextlib
import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

# How many seconds a server that accepts connections may take until there is a session.
CONNECT_S = 120

SETTINGS = {
    # Instants are UTC, days before 1582 are what the file says, and `a` is another column than `A`.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.caseSensitive": "true",
}


def failed(code, text):
    """What the tool finds again in the messages of Spark."""
    return RuntimeError(f"<millrace {code}>{text}</millrace>")


def process_partition(batches, names, program, is_shipped, arguments, environment):
    """Sends the rows of a partition, whose columns are called so, through a process. Runs on the executors."""
    import pyarrow

    batches = (pyarrow.RecordBatch.from_arrays(batch.columns, names=names) for batch in batches)
    first = next(batches, None)
    if first is None:
        return
    if is_shipped:
        from pyspark import SparkFiles

        # Executors unpack the archive into a folder of its name.
        name = os.path.basename(program)
        program = os.path.join(SparkFiles.get(f"{name}.tgz"), name)
    with tempfile.TemporaryFile() as messages:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": messages}
        try:
            process = subprocess.Popen([program, *arguments], env=os.environ | shown(*environment), **pipes)
        except OSError as error:
            raise failed(2, f"{error.filename}: {error.strerror}") from None
        try:
            # It answers when it has read everything, or has seen enough: its exit code says why. Only a stream that Spark handed over
            # whole gets an end mark; without one, the process must take it for cut off.
            with contextlib.suppress(BrokenPipeError):
                stream = pyarrow.ipc.new_stream(process.stdin, first.schema)
                for batch in itertools.chain([first], batches):
                    stream.write_batch(batch)
                stream.close()
                process.stdin.close()
            answer = process.stdout.read().decode(errors="replace")
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        messages.seek(max(0, messages.seek(0, os.SEEK_END) - 65536))
        stderr = messages.read().decode(errors="replace")
    if code not in (0, 1, 2):
        last = "".join(stderr.strip().splitlines()[-1:])[-300:] or "it did not say why"
        raise failed(75, f"{f'exit {code}' if code > 0 else f'signal {-code}'}: {last}")
    row = json.dumps({"exit": code, "stdout": answer, "stderr": stderr})
    yield pyarrow.RecordBatch.from_pydict({"answer": [row]}, schema=pyarrow.schema([("answer", pyarrow.string())]))


def hidden(environment, folder):
    """The variables as bytes, and the file that makes them readable: Spark logs jobs that fail, with all that they hold."""
    text = json.dumps(environment).encode()
    pad = os.urandom(len(text))
    path = os.path.join(folder, f"pad-{os.urandom(8).hex()}")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as file:
        file.write(pad)
    return bytes(one ^ other for one, other in zip(text, pad)), path


def shown(text, path):
    """The variables that `hidden` has hidden."""
    with open(path, "rb") as file:
        return json.loads(bytes(one ^ other for one, other in zip(text, file.read())))


class Spark:
    """A session, and what differs between Spark, Spark Connect and Sail."""

    def __init__(self, plan, folder):
        from pyspark.sql import SparkSession

        self.program, self.is_shipped, self.folder = plan["binary"]["path"], plan["binary"]["ship"], folder
        self.remote = os.environ.get("SPARK_REMOTE")
        builder = SparkSession.builder.appName(f"millrace {plan['name']}")
        if self.remote:
            self.session = builder.remote(self.remote).create()
            with contextlib.suppress(ImportError):
                from pyspark.sql.connect.client.retries import DefaultPolicy

                # Three minutes instead of ten for a server that has gone.
                self.session.client.set_retry_policies([DefaultPolicy(max_retries=8)])
            for name, value in SETTINGS.items():
                self.session.conf.set(name, value)
        else:
            self.session = self.own(builder, os.environ.get("MILLRACE_SPARK_SUBMIT", ""))
            if re.match(r"local(\[|$)", self.session.sparkContext.master):
                # The only executor is this session, on this machine.
                self.is_shipped = False
        if self.is_shipped:
            self.ship()

    def own(self, builder, options):
        """A session of this script. Executors of this machine run the Python that runs here, and listen to nobody else."""
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"{options} pyspark-shell"
        master = re.search(r"--master[ =](\S+)", options)
        if master is None or master[1].startswith("local"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        return builder.config(map=SETTINGS | {"spark.ui.showConsoleProgress": "false"}).getOrCreate()

    def ship(self):
        """The program goes to every executor, packed: 40 % of its size, for three seconds of work. Where the engine cannot do that,
        its path must be there."""
        from pyspark.errors import UnsupportedOperationException

        name = os.path.basename(self.program)
        path = os.path.join(self.folder, f"{name}.tgz")
        with tarfile.open(path, "w:gz", compresslevel=4) as archive:
            archive.add(self.program, arcname=name)
        try:
            self.session.addArtifacts(path, archive=True)
        except UnsupportedOperationException:  # Sail
            self.is_shipped = False

    def run(self, round_):
        """What each process answered."""
        [table] = round_["inputs"]
        names, key = table["columns"], round_["key"]
        rows = self.session.read.parquet(*[plain(path) for path in table["paths"]]).select(*[quoted(name) for name in names])
        # PySpark reads names such as `a.b` as paths; the processes get the real ones.
        rows = rows.toDF(*[f"c{at}" for at in range(len(names))])
        count = [round_["partitions"]] if round_["partitions"] else []
        if key or count:
            rows = rows.repartition(*count, *[f"c{names.index(name)}" for name in key])
        program, is_shipped, arguments = self.program, self.is_shipped, round_["arguments"]
        environment = hidden(round_["environment"], self.folder)

        def carry(batches):
            return process_partition(batches, names, program, is_shipped, arguments, environment)

        return [json.loads(row["answer"]) for row in rows.mapInArrow(carry, "answer string").collect()]

    def end(self, is_early):
        if is_early:
            with contextlib.suppress(Exception):
                self.session.interruptAll() if self.remote else self.session.sparkContext.cancelAllJobs()
        with contextlib.suppress(Exception):
            self.session.stop()


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def plain(path):
    """A path in which Spark finds no pattern: `[1]`, `{a,b}`, `*` and `?` stand for themselves."""
    return re.sub(r"([\\*?{}\[\]])", r"\\\1", path)


def without_secrets(text):
    """Removes tokens and headers of SPARK_REMOTE, such as `;token=…`."""
    for name, value in re.findall(r";([^=;]*)=([^;]+)", os.environ.get("SPARK_REMOTE", "")):
        if name not in ("use_ssl", "user_id", "user_agent", "session_id"):
            text = text.replace(value, "***")
    return text


class Stopped(Exception):
    """A signal asked this process to end, or stdin ended during a round, so that nobody waits for its result."""


class Events:
    """What this script waits for: lines of stdin, None at their end; the number of a signal; work that is done."""

    def __init__(self):
        self.queue, self.worker = queue.SimpleQueue(), ThreadPoolExecutor(1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: self.queue.put(number))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in sys.stdin:
            self.queue.put(line)
        self.queue.put(None)

    def rounds(self):
        while isinstance(line := self.queue.get(), str):
            yield json.loads(line)

    def result(self, function, *arguments, seconds=None):
        """What a function returns. It has a thread of its own: after a signal in its midst, Spark's client waits for the end of the
        job, and it tries for ten minutes to talk to a server that does not understand it."""
        self.worker.submit(function, *arguments).add_done_callback(self.queue.put)
        try:
            event = self.queue.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not isinstance(event, Future):
            raise Stopped
        return event.result()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    if plan["version"] != 1:
        sys.exit(f"carry.py reads plans of version 1, not {plan['version']}: it belongs to another version of the tool")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # From here on, all output of Spark, Java and Python's libraries goes to the log.
    log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    warnings.simplefilter("ignore")

    def say(**answer):
        print(json.dumps(answer), file=answers, flush=True)

    events, spark, is_early = Events(), None, True
    try:
        for round_ in events.rounds():
            began = time.monotonic()
            if spark is None:
                limit = CONNECT_S if os.environ.get("SPARK_REMOTE") else None
                spark = events.result(Spark, plan, os.path.dirname(os.path.abspath(sys.argv[1])), seconds=limit)
                print(f"carry: session after {time.monotonic() - began:.1f} s", flush=True)
                began = time.monotonic()
            for answer in events.result(spark.run, round_):
                say(round=round_["round"], **answer)
            seconds = time.monotonic() - began
            print(f"carry: round {round_['round']} took {seconds:.1f} s", flush=True)
            say(round=round_["round"], done=True, seconds=round(seconds, 3))
        is_early = False
    except Stopped:
        pass
    except Exception as error:
        sys.stderr.write(without_secrets(traceback.format_exc()))
        say(round=round_["round"], failed=type(error).__name__, text=without_secrets(str(error)))
    if spark is not None:
        ending = threading.Thread(target=spark.end, args=[is_early], daemon=True)
        ending.start()
        ending.join(10)  # a server that is gone is not waited for
    sys.stderr.flush()
    os._exit(int(is_early))  # threads of Spark and of stdin may still wait for something


if __name__ == "__main__":
    main()
