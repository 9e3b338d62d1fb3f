"""An engine of one machine in place of carry.py: xargs starts the processes of a round. An example for engines of your own.

    MILLRACE_SPARK_SCRIPT=scripts/spark/xargs.py PYSPARK_PYTHON=python3 bin/clean churn --engine spark

Rows that may lie anywhere are carried by files: one process for each, as many at a time as there are cores. Where the round has a
key, all rows of a key must meet in one process; xargs cannot deal out rows, so one process gets all files, and the round fails if their
names do not fit into one command line. The protocol is that of carry.py (docs/adr/0023-spark-carries.md).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Each process answers into a file of its own: lines of several in one pipe could mix.
TO_FILE = 'answers=$1; shift; exec "$@" > "$(mktemp -p "$answers")"'

# With `-x` xargs ends so, instead of dividing the files between two processes.
TOO_LONG = 1


def say(**line):
    print(json.dumps(line), flush=True)


def carry(program, round_):
    """Answers a round. What went wrong, a way out and the exit code, if it was not done."""
    files = [path for table in round_["inputs"] for path in table["paths"]]
    at_once = len(files) if round_["key"] else 1
    with tempfile.TemporaryDirectory() as answers:
        command = ["sh", "-c", TO_FILE, "sh", answers, program, *round_["arguments"]]
        longest = os.sysconf("SC_ARG_MAX") // 2
        done = subprocess.run(
            ["xargs", "-0", "-r", "-x", "-s", str(longest), "-n", str(max(at_once, 1)), "-P", str(os.cpu_count()), *command],
            input="\0".join(files),
            env=os.environ | round_["environment"],
            text=True,
        )
        found = [path.read_text() for path in Path(answers).iterdir()]
    if done.returncode == TOO_LONG:
        return f"{len(files)} files are too many for one command line", "run without --engine, or with an engine that deals out rows", 2
    for answer in filter(None, found):
        say(round=round_["round"], exit=json.loads(answer)["exit"], stdout=answer, stderr="")
    return None if all(found) else ("a process of xargs ended without an answer", "run again", 75)


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    for line in sys.stdin:
        round_ = json.loads(line)
        if wrong := carry(plan["binary"]["path"], round_):
            error, hint, code = wrong
            say(round=round_["round"], error=error, hint=hint, exit=code)
            sys.exit(code)
        say(round=round_["round"], done=True, seconds=0)


main()
