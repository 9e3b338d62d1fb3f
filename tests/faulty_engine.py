"""An engine in place of carry.py whose processes fail in every way, each time before they do the work after all.

Called by tests/kernels.rs. What goes wrong in a process must leave no part behind, and what it answers must be what the driver can
rely on. An assertion that fails here ends the script, which fails the test.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet

PLAN = Path(sys.argv[1])
FOLDER = PLAN.resolve().parent
PROGRAM = json.loads(PLAN.read_text())["binary"]["path"]


def say(**line):
    print(json.dumps(line), flush=True)


def stream(table):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        # Several messages, so that the middle is between two of them and within one.
        writer.write_table(table, max_chunksize=max(table.num_rows // 3, 1))
    return sink.getvalue().to_pybytes()


def start(round_, **more):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([PROGRAM, *round_["arguments"]], env=os.environ | round_["environment"], **pipes, **more)


def kernel(round_, rows, **more):
    """The exit code, the line, and the last words of a process that gets these bytes."""
    process = start(round_, **more)
    answer, words = process.communicate(rows)
    return process.returncode, answer.decode(), words.decode()


def without_room():
    """No file may be larger than this; the write fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


def fail(round_, rows):
    """All faults, one after the other."""
    before = set(os.listdir(FOLDER))

    def leaves_nothing(what):
        assert set(os.listdir(FOLDER)) == before, f"{what}: left {set(os.listdir(FOLDER)) - before}"

    process = start(round_)
    process.stdin.write(rows[: len(rows) // 2])
    process.stdin.flush()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    leaves_nothing("killed in the middle")

    for cut in (len(rows) - 8, len(rows) // 2, 9, 0):
        code, answer, words = kernel(round_, rows[:cut])
        assert (code, answer) == (75, ""), f"cut off at {cut}: {code} {answer} {words}"
        leaves_nothing(f"cut off at {cut}")

    for garbage in (b"garbage " * 500, rows[:300] + b"\x07" * 500 + rows[300:]):
        code, answer, words = kernel(round_, garbage)
        assert code in (2, 75), f"garbage: {code} {answer} {words}"
        assert "panicked" not in words and not (code == 2 and not json.loads(answer)["message"]), words
        leaves_nothing("garbage")

    process = start(round_)
    process.stdout.close()
    process.stdin.write(rows)
    process.stdin.close()
    assert process.wait() == 75, f"nobody reads: {process.returncode}"
    leaves_nothing("the engine does not read the answer")

    code, answer, words = kernel(round_, rows, preexec_fn=without_room)
    assert code == 2, f"no room: {code} {answer} {words}"
    assert "cannot write" in json.loads(answer)["message"], answer
    leaves_nothing("no room for the part")

    # Tried twice: the first is not reported.
    code, answer, words = kernel(round_, rows)
    assert code == 0, words
    assert set(os.listdir(FOLDER)) > before


for line in sys.stdin:
    round_ = json.loads(line)
    paths = [path for table in round_["inputs"] for path in table["paths"]]
    table = pyarrow.concat_tables([pyarrow.parquet.read_table(path) for path in paths], promote_options="permissive")
    # pyarrow takes no rows of views.
    plain = [field.with_type(pyarrow.string()) if field.type == pyarrow.string_view() else field for field in table.schema]
    table = table.cast(pyarrow.schema(plain))
    keys = table.select(round_["key"]).to_pylist() if round_["key"] else [{"row": row} for row in range(table.num_rows)]
    for part in range(2):
        mine = [row for row, key in enumerate(keys) if hash(tuple(key.values())) % 2 == part]
        rows = stream(table.take(mine))
        fail(round_, rows)
        code, answer, words = kernel(round_, rows)
        assert code == 0, words
        say(round=round_["round"], exit=0, stdout=answer, stderr=words)
    say(round=round_["round"], done=True, seconds=0)
