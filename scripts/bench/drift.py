"""How long a look at the drift of a wide table takes.

    python drift.py --example PROGRAM [--columns 1000] [--rows 3000000]

PROGRAM is the example `drift_speed` of the crate `watch`, which also writes the two tables that it compares.
"""

import argparse
import re
import subprocess
from pathlib import Path

import goals


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--example", type=Path, required=True)
    arguments.add_argument("--columns", type=int, default=1000)
    arguments.add_argument("--rows", type=int, default=3_000_000)
    given = arguments.parse_args()
    done = subprocess.run([given.example, str(given.columns), str(given.rows)], stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout)
    seconds = float(re.search(r"drift in ([\d.]+) s", done.stdout).group(1))
    goals.note(f"drift of {given.columns:,} columns of {given.rows:,} rows", seconds, " s", at_most=10)


if __name__ == "__main__":
    main()
