"""How long the default job takes, in a new project: the six stages of `resources/churn`, with tools that are built.

    python churn.py --work FOLDER
"""

import argparse
import os
import shutil
from pathlib import Path

import goals
from measure import MIB, REPOSITORY, TOOLS, row, run

GOAL = 8


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    root = arguments.parse_args().work.resolve() / "churn"
    shutil.rmtree(root, ignore_errors=True)
    (root / "resources").mkdir(parents=True)
    (root / "resources/churn").symlink_to(REPOSITORY / "resources/churn")
    environment = os.environ | {"MILLRACE_ROOT": str(root)}
    runs = [run(tool, [REPOSITORY / "bin" / tool, "churn", "--quiet"], environment) for tool in TOOLS]
    print(row("stage", "seconds", "peak MiB"))
    print(row("---", "---:", "---:"))
    for done in runs:
        print(row(done.name, f"{done.seconds:.2f}", f"{done.memory / MIB:,.0f}"))
    seconds = sum(done.seconds for done in runs)
    print(f"\nAll six: {seconds:.1f} s.")
    goals.note("the default job", seconds, " s", at_most=GOAL)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
