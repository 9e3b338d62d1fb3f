"""Runs a pipeline of `resources/` from its first stage to its last, in a project of its own.

    python pipeline.py --work FOLDER NAME

What it writes stays in FOLDER/NAME, for whoever compares it with something.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from measure import MIB, REPOSITORY, TOOLS, row, run


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("name")
    given = arguments.parse_args()
    root = given.work.resolve() / given.name
    shutil.rmtree(root, ignore_errors=True)
    (root / "resources").mkdir(parents=True)
    (root / "resources" / given.name).symlink_to(REPOSITORY / "resources" / given.name)
    environment = os.environ | {"MILLRACE_ROOT": str(root)}
    stages = [tool for tool in TOOLS if (root / f"resources/{given.name}/{tool}.yaml").exists()]
    if not stages:
        sys.exit(f"pipeline.py: there is no pipeline '{given.name}'")
    print(row("stage", "seconds", "peak MiB"))
    print(row("---", "---:", "---:"))
    for tool in stages:
        done = run(tool, [REPOSITORY / "bin" / tool, given.name, "--quiet"], environment)
        print(row(tool, f"{done.seconds:.2f}", f"{done.memory / MIB:,.0f}"), flush=True)


if __name__ == "__main__":
    main()
