"""An engine of one machine in place of carry.py: xargs starts the processes of a round. An example for engines of your own.

    MILLRACE_SPARK_SCRIPT=scripts/spark/xargs.py PYSPARK_PYTHON=python3 bin/clean churn --engine spark

Rows that may lie anywhere are carried by files: one process for each, as many at a time as there are cores. Where the round has a
key, all rows of a key must meet in one process; xargs cannot deal out rows, so one process gets all files. The protocol is that of
carry.py (docs/adr/0023-spark-carries.md).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Each process answers into a file of its own: lines of several in one pipe could mix.
TO_FILE = 'answers=$1; shift; exec "$@" > "$(mktemp -p "$answers")"'


def say(**line):
    print(json.dumps(line), flush=True)


def carry(program, round_):
    """Answers a round; tells whether all processes have given a result."""
    files = [path for table in round_["inputs"] for path in table["paths"]]
    at_once = len(files) if round_["key"] else 1
    with tempfile.TemporaryDirectory() as answers:
        command = ["sh", "-c", TO_FILE, "sh", answers, program, *round_["arguments"]]
        subprocess.run(
            ["xargs", "-0", "-r", "-n", str(max(at_once, 1)), "-P", str(os.cpu_count()), *command],
            input="\0".join(files),
            env=os.environ | round_["environment"],
            text=True,
        )
        found = [path.read_text() for path in Path(answers).iterdir()]
    for answer in filter(None, found):
        say(round=round_["round"], exit=json.loads(answer)["exit"], stdout=answer, stderr="")
    return all(found)


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    for line in sys.stdin:
        round_ = json.loads(line)
        if not carry(plan["binary"]["path"], round_):
            say(round=round_["round"], error="a process of xargs ended without an answer", hint="run again", exit=75)
            sys.exit(75)
        say(round=round_["round"], done=True, seconds=0)


main()
