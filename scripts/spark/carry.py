"""Has Spark carry a table to Millrace: every partition goes through a process of the tool, which does the work.

    python carry.py PLAN.json

Started by `--engine spark`, not by hand. The protocol (docs/adr/0023-spark-carries.md), one JSON object per line:

    PLAN.json  {"version": 1, "name", "log", "binary": {"path", "ship"}, "conf": {}, "environment": {}}
    stdin      {"round", "inputs": [{"paths", "columns", "as"}], "key", "sort", "partitions", "arguments", "environment"}
    stdout     {"round", "exit", "stdout", "stderr"} per process, then {"round", "done": true, "seconds"};
               or {"round", "error", "hint", "exit"}, which is also how this script exits

The session is that of SPARK_REMOTE (Spark Connect), or one of its own with the options of spark-submit in
MILLRACE_SPARK_SUBMIT. What Spark itself has to say goes to the file `log`. A process that ends with 0, 1 or 2 has given
a result: Spark must not try again what was refused. Any other end is tried again, as far as Spark's settings allow.
"""

import contextlib
import json
import os
import queue
import re
import signal
import socket
import sys
import tarfile
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor


# How many seconds a server that accepts connections may take until there is a session.
CONNECT_S = 120


def process_partition(batches, names, program, is_shipped, arguments, environment, pad):
    """Sends the rows of a partition, whose columns are called so, through a process. Runs on the executors, so it brings along what
    it needs."""
    import itertools
    import json
    import os
    import subprocess
    import tempfile
    import threading

    import pyarrow

    def failed(code, text):
        return RuntimeError(f"<millrace {code}>{text}</millrace>")

    batches = (pyarrow.RecordBatch.from_arrays(batch.columns, names=names) for batch in batches)
    first = next(batches, None)
    if first is None:
        return
    if is_shipped:
        from pyspark import SparkFiles

        # Executors unpack the archive into a folder of its name.
        name = os.path.basename(program)
        program = os.path.join(SparkFiles.get(f"{name}.tgz"), name)
    broken = []
    with tempfile.TemporaryFile() as said:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": said}
        try:
            with open(pad, "rb") as file:
                variables = json.loads(bytes(one ^ other for one, other in zip(environment, file.read())))
            process = subprocess.Popen([program, *arguments], env=os.environ | variables, **pipes)
        except OSError as error:
            raise failed(2, f"{error.filename}: {error.strerror}") from None

        # In a thread, since the process may answer before it has read everything. The end-of-stream marker is written
        # only if Spark handed over everything: without it, the process must take the stream for cut off.
        def feed():
            try:
                stream = pyarrow.ipc.new_stream(process.stdin, first.schema)
                for batch in itertools.chain([first], batches):
                    stream.write_batch(batch)
                stream.close()
            except BrokenPipeError:
                pass  # It has seen enough; its exit code says why.
            except BaseException as error:
                broken.append(error)
            finally:
                try:
                    process.stdin.close()
                except BrokenPipeError:
                    pass

        feeder = threading.Thread(target=feed, daemon=True)
        try:
            feeder.start()
            answer = process.stdout.read().decode(errors="replace")
            code = process.wait()
            feeder.join()
        finally:
            process.kill()
            process.wait()
        said.seek(max(0, said.seek(0, os.SEEK_END) - 65536))
        stderr = said.read().decode(errors="replace")
    if broken:
        raise broken[0]
    last = "".join(stderr.strip().splitlines()[-1:])[-300:] or "it did not say why"
    if code not in (0, 1, 2):
        raise failed(75, f"{f'exit {code}' if code > 0 else f'signal {-code}'}: {last}")
    try:
        json.loads(answer)
    except ValueError:
        # For example a loader that does not find its libraries, which ends with 1 as well.
        raise failed(2, f"exit {code} without an answer: {last}") from None
    row = json.dumps({"exit": code, "stdout": answer, "stderr": stderr})
    yield pyarrow.RecordBatch.from_pydict({"answer": [row]}, schema=pyarrow.schema([("answer", pyarrow.string())]))


class Spark:
    """A session, and what differs between Spark, Spark Connect and Sail."""

    SETTINGS = {
        # Instants are UTC, days before 1582 are what the file says, and `a` is another column than `A`.
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.caseSensitive": "true",
    }

    def __init__(self, plan, folder):
        from pyspark.sql import SparkSession

        binary, self.environment = plan["binary"], plan["environment"]
        self.program, self.is_shipped = os.path.abspath(binary["path"]), bool(binary["ship"])
        self.remote, self.folder = os.environ.get("SPARK_REMOTE"), folder
        builder = SparkSession.builder.appName(f"millrace {plan['name']}")
        if self.remote:
            must_listen(self.remote)
            self.session = builder.remote(self.remote).create()
            with contextlib.suppress(ImportError):
                from pyspark.sql.connect.client.retries import DefaultPolicy

                # Three minutes instead of ten for a server that has gone.
                self.session.client.set_retry_policies([DefaultPolicy(max_retries=8)])
            for name, value in (self.SETTINGS | plan["conf"]).items():
                self.session.conf.set(name, value)
        else:
            self.prepare_own(os.environ.get("MILLRACE_SPARK_SUBMIT", ""))
            for name, value in ({"spark.ui.showConsoleProgress": "false"} | self.SETTINGS | plan["conf"]).items():
                builder = builder.config(name, value)
            self.session = builder.getOrCreate()
            if re.match(r"local(\[|$)", self.session.sparkContext.master):
                # The only executor is this session, on this machine.
                self.is_shipped = False
        if self.is_shipped:
            self.ship()

    def prepare_own(self, options):
        """A session of this script. Executors of this machine run the Python that runs here, and listen to nobody else."""
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"{options} pyspark-shell"
        master = re.search(r"--master[ =](\S+)", options)
        if master is None or master[1].startswith("local"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

    def ship(self):
        """The program goes to every executor, packed, which takes a third of its size. Where the engine cannot do that, its path
        must be there."""
        from pyspark.errors import UnsupportedOperationException

        name = os.path.basename(self.program)
        path = os.path.join(self.folder, f"{name}.tgz")
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            archive.add(self.program, arcname=name)
        try:
            self.session.addArtifacts(path, archive=True)
        except UnsupportedOperationException:  # Sail
            self.is_shipped = False

    def hidden(self, environment):
        """The variables as bytes, and the file that makes them readable: Spark logs jobs that fail, with all that they hold."""
        text = json.dumps(environment).encode()
        pad = os.urandom(len(text))
        path = os.path.join(self.folder, f"pad-{os.urandom(8).hex()}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as file:
            file.write(pad)
        return bytes(one ^ other for one, other in zip(text, pad)), path

    def table(self, inputs):
        """The rows of all inputs, one below the other."""
        from pyspark.sql import functions

        whole = None
        for item in inputs:
            table = self.session.read.parquet(*[plain(path) for path in item["paths"]])
            if item.get("columns") is not None:
                table = table.select(*[quoted(name) for name in item["columns"]])
            if item.get("as") is not None:
                table = table.withColumn("_table", functions.lit(item["as"]))
            whole = table if whole is None else whole.unionByName(table, allowMissingColumns=True)
        return whole

    def run(self, round_):
        """What each process answered."""
        table = self.table(round_["inputs"])
        # PySpark reads names such as `a.b` as paths; the processes get the real ones.
        names = table.columns
        plain_names = {name: f"c{at}" for at, name in enumerate(names)}
        table = table.toDF(*plain_names.values())
        keys = [plain_names[name] for name in round_["key"]]
        count = [round_["partitions"]] if round_.get("partitions") else []
        if keys or count:
            table = table.repartition(*count, *keys)
        if round_.get("sort"):
            table = table.sortWithinPartitions(*[plain_names[name] for name in round_["sort"]])
        program, is_shipped, arguments = self.program, self.is_shipped, round_["arguments"]
        environment, pad = self.hidden(self.environment | round_.get("environment", {}))

        def carry(batches):
            return process_partition(batches, names, program, is_shipped, arguments, environment, pad)

        return [json.loads(row["answer"]) for row in table.mapInArrow(carry, "answer string").collect()]

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


def must_listen(remote):
    """Finds at once that a server is missing: Spark's client tries for ten minutes."""
    address = re.match(r"sc://(\[[^]]+\]|[^:/;]+)(?::(\d+))?(?:/|$)", remote)
    if address is None:
        raise ValueError("no address")
    if not any(os.environ.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy")):
        socket.create_connection((address[1].strip("[]"), int(address[2] or 15002)), timeout=10).close()


def failure(error, remote):
    """What went wrong in one line, the way out, and the exit code: 75 where a later try may succeed."""
    text, where = str(error), f"Spark at {remote.split('/;')[0]}" if remote else "Spark"
    see_log = "see the log for Spark's own messages"

    def has(*words):
        return any(word in text for word in words)

    if ended := re.search(r"<millrace (\d+)>(.*?)</millrace>", text, re.DOTALL):
        hint = "executors need the same folders: shared storage" if "No such file" in ended[2] else see_log
        return f"a process on an executor failed with every try: {ended[2]}", hint, int(ended[1])
    if isinstance(error, ImportError):
        return f"Python has no module '{error.name}'", "install pyspark[connect] for that Python, or let PYSPARK_PYTHON name another", 2
    if text == "no address":
        return "SPARK_REMOTE is not an address of Spark Connect", "write it as sc://host:15002", 2
    if isinstance(error, TimeoutError):
        return f"{where} does not answer as Spark Connect does", "a token in SPARK_REMOTE needs a server with TLS", 75
    if isinstance(error, socket.gaierror):
        return f"{where} cannot be reached: the name of the host is not known", "check SPARK_REMOTE", 75
    if isinstance(error, OSError) or has("UNAVAILABLE", "failed to connect", "DEADLINE_EXCEEDED", "RETRIES_EXCEEDED"):
        return f"{where} cannot be reached", "is its Connect server running, and is SPARK_REMOTE its address?", 75
    if has("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return f"{where} refuses the connection", "check the token and the user in SPARK_REMOTE", 2
    if has("JAVA_GATEWAY_EXITED", "JAVA_HOME"):
        return "Spark did not start", "it needs Java 17 or later and valid options in MILLRACE_SPARK_SUBMIT; see the log", 2
    if has("PATH_NOT_FOUND", "FAILED_READ_FILE", "FileNotFoundException"):
        return f"{where} does not see the files of this project", "executors need the same folders: shared storage", 2
    return f"{where} failed: {summary(text) or type(error).__name__}", see_log, 75


def summary(text):
    """The message of an error in a line, without classes, stack traces and SQLSTATE."""
    noise = r"(at |Traceback|File \"|\.\.\.|JVM stacktrace|Caused by|Driver stacktrace|SQLSTATE|An error occurred while)"
    lines = [line.strip().removeprefix(": ") for line in text.splitlines()]
    told = next((line for line in lines if line and not re.match(noise, line)), "")
    told = re.sub(r".*most recent failure: Lost task \S+ in stage \S+( \([^)]*\))+: ", "", told)
    return re.sub(r"^(?:[\w.$]+(?:Exception|Error): ?)+|\s*SQLSTATE: \w+.*$", "", told)[:300]


def without_secrets(text, remote):
    """Removes tokens and headers of a remote, such as `;token=…`."""
    for name, value in re.findall(r";([^=;]*)=([^;]+)", remote or ""):
        if name not in ("use_ssl", "user_id", "user_agent", "session_id"):
            text = text.replace(value, "***")
    return text


class Stopped(BaseException):
    """A signal asked this process to end."""


class Rounds:
    """Rounds from stdin, as they come. If stdin ends while one is at work, nobody waits for its result."""

    def __init__(self):
        self.lines, self.is_at_work, self.is_over = queue.Queue(), threading.Event(), threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in sys.stdin:
            self.lines.put(line)
        self.is_over.set()
        self.lines.put(None)
        if self.is_at_work.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    def __iter__(self):
        while (line := self.lines.get()) is not None:
            self.is_at_work.set()
            if self.is_over.is_set():
                raise Stopped(signal.SIGTERM)
            yield json.loads(line)

    def is_done(self):
        self.is_at_work.clear()


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
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    def stop(number, _frame):
        raise Stopped(number)

    def heed(action):
        signal.signal(signal.SIGTERM, action)
        signal.signal(signal.SIGINT, action)

    heed(stop)
    began = time.monotonic()
    spark, number, code, worker, remote = None, None, 0, ThreadPoolExecutor(1), os.environ.get("SPARK_REMOTE")
    try:
        # In a thread of their own: what Spark's client does after a signal in its midst waits for the end of the job,
        # and it tries for ten minutes to talk to a server that does not understand it.
        folder = os.path.dirname(os.path.abspath(sys.argv[1]))
        spark = worker.submit(Spark, plan, folder).result(timeout=CONNECT_S if remote else None)
        print(f"carry: session after {time.monotonic() - began:.1f} s", flush=True)
        rounds = Rounds()
        for round_ in rounds:
            number, began = round_["round"], time.monotonic()
            for answer in worker.submit(spark.run, round_).result():
                say(round=number, **answer)
            rounds.is_done()
            print(f"carry: round {number} took {time.monotonic() - began:.1f} s", flush=True)
            say(round=number, done=True, seconds=round(time.monotonic() - began, 3))
    except Stopped as stopped:
        code = 128 + stopped.args[0]
    except Exception as error:
        heed(signal.SIG_IGN)
        sys.stderr.write(without_secrets(traceback.format_exc(), remote))
        text, hint, code = failure(error, remote)
        say(round=number, error=without_secrets(text, remote), hint=hint, exit=code)
    heed(signal.SIG_IGN)
    if spark is not None:
        ending = threading.Thread(target=spark.end, args=[code != 0], daemon=True)
        ending.start()
        ending.join(10)  # a server that is gone is not waited for
    sys.stderr.flush()
    os._exit(code)  # threads of Spark and of stdin may still wait for something


if __name__ == "__main__":
    main()
