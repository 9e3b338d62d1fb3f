"""Runs the parts of the benchmark one after the other, and prints one table of all figures beside their goals.

    scripts/bench/run [--only PART,…] [--skip PART,…] [--small] [--list]

Each part runs by itself, with a limit on its time. A part that fails or takes too long is named in the table; the others still run, and
the exit code is 1. A missed goal is not a failure. What the parts print is kept in `report.md` below the folder of the build
(`target/bench`), the table at its end; what they say on stderr goes to the terminal.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import goals

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "scripts/bench"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
WORK = TARGET / "bench"
EXAMPLES = TARGET / "release/examples"
TOOLS = ("ingest", "clean", "features", "train", "predict", "export", "monitor", "release", "catalog", "serve")


@dataclass
class Part:
    """Something to measure: commands that run one after the other."""

    name: str
    what: str
    """Seconds after which it is stopped."""
    limit: int
    """Of each command the program and its arguments, and the same with little data."""
    full: list
    small: list
    """The Python environment that it needs: `{python}` in a command is its interpreter."""
    python: str = "venv"
    variables: dict = field(default_factory=dict)
    """Whether it runs examples of the crates."""
    examples: bool = False
    """A file or folder without which there is nothing to measure."""
    data: Path | None = None


def script(name, *arguments):
    return ["{python}", SCRIPTS / name, *arguments]


def serving(part, *more):
    """`serving.py` with one of its parts."""
    command = script("serving.py", "--work", WORK, "--load", EXAMPLES / "load", "--only", part)
    little = ["--seconds", "1", "--requests", "3000", "--rows", "20000", "--sales", "50000", "--flat", "10"]
    return Part(f"serve-{part}", more[0], more[1], [command], [[*command, *little]], "serving-venv", examples=True)


SHARED = REPOSITORY.parent / "shared/data"
WALMART = SHARED / "walmart-6435/Walmart.csv"

PARTS = [
    Part("stages", "all stages beside the same job by hand in polars and LightGBM", 1800,
         [script("measure.py", "--work", WORK, "1000000", "10000000")], [script("measure.py", "--work", WORK, "100000")]),
    Part("reasons", "the same with three reasons for each score", 3000,
         [script("measure.py", "--work", WORK, "--turns", "1", "10000000")], [script("measure.py", "--work", WORK, "--turns", "1", "100000")],
         variables={"BENCH_REASONS": "3"}),
    Part("churn", "the default job", 300, [script("churn.py", "--work", WORK)], [script("churn.py", "--work", WORK)]),
    Part("reading", "`ingest` of CSV beside polars", 900,
         [script("reading.py", "--work", WORK, "10000000")], [script("reading.py", "--work", WORK, "100000")]),
    Part("rules", "`clean` beside the same rules in DuckDB", 900,
         [script("duckdb_rules.py", "--work", WORK, "1000000", "10000000")], [script("duckdb_rules.py", "--work", WORK, "100000")]),
    Part("training", "three experiments on one table beside the same in Python", 900,
         [script("training.py", "--work", WORK)], [script("training.py", "--work", WORK, "--purchases", "30000")]),
    Part("many", "100 million purchases through `ingest`, `clean` and `features`", 3600,
         [script("many.py", "--work", WORK, "10000000", "100000000")], [script("many.py", "--work", WORK, "100000", "300000")]),
    Part("forest", "scores and explanations beside LightGBM and fasttreeshap", 1200,
         [script("forest.py", "--example", EXAMPLES / "bench", "--work", WORK / "forest")],
         [script("forest.py", "--example", EXAMPLES / "bench", "--work", WORK / "forest", "--trees", "20", "--rows", "20000")],
         examples=True),
    Part("xgboost", "scores and explanations of an XGBoost model beside XGBoost", 1200,
         [script("xgboost_scores.py", WORK / "xgboost", EXAMPLES / "xgboost")],
         [script("xgboost_scores.py", WORK / "xgboost", EXAMPLES / "xgboost", "20000")],
         examples=True),
    Part("texts", "rules for texts, and a language model that takes its time", 900,
         [script("texts.py", "--work", WORK, "--server", EXAMPLES / "llm_server")],
         [script("texts.py", "--work", WORK, "--server", EXAMPLES / "llm_server", "--share", "0.01")],
         examples=True),
    Part("repairs", "steps of `clean` that look at the whole table", 900,
         [script("repairs.py", "--bin", REPOSITORY / "bin")], [script("repairs.py", "--bin", REPOSITORY / "bin", "--rows", "5000")]),
    Part("cleaning", "what `clean` repairs of public benchmarks", 300,
         [script("cleaning.py", "--bin", REPOSITORY / "bin")], [script("cleaning.py", "--bin", REPOSITORY / "bin")],
         data=SHARED / "cleaning-bench"),
    Part("homes", "nearest places, earlier rows, a regression, a REST service, PostgreSQL", 1200,
         [script("homes.py", "--work", WORK, "--examples", EXAMPLES)],
         [script("homes.py", "--work", WORK, "--examples", EXAMPLES, "--share", "0.01")],
         examples=True),
    Part("series", "10,000 series of 200 weeks beside the same job by hand and mlforecast", 2400,
         [script("series.py", "--work", WORK, "--tools", REPOSITORY / "bin")],
         [script("series.py", "--work", WORK, "--tools", REPOSITORY / "bin", "--stores", "4", "--products", "5", "--turns", "1")],
         python="series-venv"),
    Part("walmart", "forecasts of the stores of Walmart beside statsforecast and LightGBM", 1800,
         [script("pipeline.py", "--work", WORK, "walmart"), script("walmart.py", WALMART, WORK / "walmart")],
         [script("pipeline.py", "--work", WORK, "walmart"), script("walmart.py", WALMART, WORK / "walmart")],
         python="series-venv", variables={"WALMART_CSV": str(WALMART)}, data=WALMART),
    serving("beside", "`serve` beside a service by hand and MLflow", 900),
    serving("flat", "memory of `serve` over minutes", 900),
    serving("swaps", "requests through changes of the version", 600),
    serving("online", "features that `serve` computes itself", 900),
    serving("results", "pages of results", 600),
    Part("drift", "drift of a wide table", 1800,
         [script("drift.py", "--example", EXAMPLES / "drift_speed")],
         [script("drift.py", "--example", EXAMPLES / "drift_speed", "--columns", "50", "--rows", "20000")],
         examples=True),
    Part("catalog", "a project of many artifacts", 900,
         [script("catalog.py", "--bin", REPOSITORY / "bin", "--work", WORK / "catalog")],
         [script("catalog.py", "--bin", REPOSITORY / "bin", "--work", WORK / "catalog", "--artifacts", "300", "--tables", "10")]),
    Part("spark", "`clean`, `features` and groups with `--engine spark` on the same machine", 5400,
         [["scripts/spark/setup"], script("spark.py", "--bin", REPOSITORY / "bin", "--work", WORK / "spark", "--rows", "10000000", "50000000")],
         [["scripts/spark/setup"], script("spark.py", "--bin", REPOSITORY / "bin", "--work", WORK / "spark", "--rows", "50000")]),
    Part("expressions", "SQL expressions beside the engine's own operators", 300,
         [[EXAMPLES / "speed"]], [[EXAMPLES / "speed"]], examples=True),
]


class Failed(Exception):
    """A part did not finish."""


def environment(name):
    """The interpreter of a Python environment with what its requirements name; made once, and again if these change."""
    folder = WORK / name
    wanted = SCRIPTS / ("requirements.txt" if name == "venv" else f"requirements-{name.removesuffix('-venv')}.txt")
    known = folder / "requirements.txt"
    python = folder / "bin/python"
    if known.exists() and known.read_text() == wanted.read_text():
        return python
    print(f"bench: installing {wanted.name} into {folder}", file=sys.stderr)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[sys.executable, "-m", "venv", folder], [*pip, "-r", wanted]]
    if name == "venv":
        # Installed alone: it requires XGBoost with everything for GPUs.
        steps.append([*pip, "--no-deps", "fasttreeshap-fixed==0.1.5"])
    for step in steps:
        if subprocess.run(step).returncode != 0:
            raise Failed(f"cannot install {wanted.name} into {folder}")
    shutil.copy(wanted, known)
    return python


def build():
    """Builds the examples of all crates, unless they are up to date: of some alone, other crates would have other features."""
    cargo = os.environ.get("CARGO", "cargo")
    if subprocess.run([cargo, "build", "--release", "--workspace", "--examples", "--quiet"], cwd=REPOSITORY).returncode != 0:
        raise Failed("cannot build the examples")


def run(command, variables, seconds, report):
    """Runs a command to its end; what it prints goes to the terminal and into the report."""
    process = subprocess.Popen([str(word) for word in command], cwd=REPOSITORY, env=os.environ | variables, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=max(seconds, 1))
    except BaseException as error:
        # With everything that it has started.
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        report.append(out or "")
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed("it did not end in time") from None
        raise
    report.append(out)
    print(out, flush=True)
    if process.returncode != 0:
        raise Failed(f"{Path(command[0]).name} {Path(command[1]).name if len(command) > 1 else ''}".strip() + f": exit {process.returncode}")


def measured(part, small, report):
    """Runs a part; gives its figures, and why it failed, if it did."""
    figures = WORK / f"{part.name}.figures"
    figures.unlink(missing_ok=True)
    began = time.monotonic()
    failure = None
    try:
        if part.data is not None and not part.data.exists():
            raise Failed(f"there is no {part.data}")
        if part.examples:
            build()
        python = environment(part.python)
        variables = part.variables | {goals.FIGURES: str(figures)}
        for command in part.small if small else part.full:
            filled = [python if word == "{python}" else word for word in command]
            run(filled, variables, part.limit - (time.monotonic() - began), report)
    except (Failed, OSError) as error:
        failure = str(error)
        print(f"bench: {part.name} failed: {failure}", file=sys.stderr, flush=True)
    noted = [json.loads(line) for line in figures.read_text().splitlines()] if figures.exists() else []
    return noted, failure, time.monotonic() - began


def table(results):
    """All figures beside their goals, and what failed."""
    lines = ["| part | what | measured | goal | |", "|---|---|---:|---:|---|"]
    for name, (figures, failure, seconds) in results.items():
        for figure in figures:
            value = goals.number(figure["value"]) + figure["unit"]
            lines.append(f"| {name} | {figure['what']} | {value} | {goals.goal(figure)} | {goals.verdict(figure)} |")
        if failure is not None:
            lines.append(f"| {name} | **failed after {seconds:.0f} s: {failure}** | | | |")
    return lines


def names(text):
    """Names of parts, separated by commas."""
    wanted = text.split(",")
    unknown = [name for name in wanted if name not in {part.name for part in PARTS}]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part '{unknown[0]}'; there are {', '.join(part.name for part in PARTS)}")
    return wanted


def main():
    arguments = argparse.ArgumentParser(prog="scripts/bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", type=names, metavar="PART,…", help="run these parts")
    arguments.add_argument("--skip", type=names, metavar="PART,…", default=[], help="run all but these")
    arguments.add_argument("--small", action="store_true", help="little data, to see that the parts work; the figures mean nothing")
    arguments.add_argument("--list", action="store_true", help="print the parts, and exit")
    given = arguments.parse_args()
    chosen = [part for part in PARTS if (given.only is None or part.name in given.only) and part.name not in given.skip]
    if given.list:
        for part in chosen:
            print(f"{part.name:14} {part.what}; at most {part.limit // 60} minutes")
        return
    missing = [tool for tool in TOOLS if not (REPOSITORY / "bin" / tool).exists()]
    if missing:
        sys.exit(f"bench: there is no bin/{missing[0]}; run 'make build' first")
    WORK.mkdir(parents=True, exist_ok=True)
    report, results = [], {}
    for part in chosen:
        print(f"bench: {part.name}: {part.what}", file=sys.stderr, flush=True)
        report.append(f"## {part.name}: {part.what}\n")
        results[part.name] = measured(part, given.small, report)
    lines = table(results)
    report.append("## Figures and goals\n")
    report.append("\n".join(lines) + "\n")
    file = WORK / "report.md"
    file.write_text("\n".join(report), encoding="utf-8")
    print("\n" + "\n".join(lines))
    if given.small:
        print("\nWith little data: the figures mean nothing.")
    print(f"bench: the same, with the tables of all parts, is in {file}", file=sys.stderr)
    failed = [name for name, (_, failure, _) in results.items() if failure is not None]
    if failed:
        sys.exit(f"bench: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
