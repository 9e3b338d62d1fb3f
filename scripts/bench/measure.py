"""Runs every stage of the `bench` pipeline at several sizes, and the same job by hand; prints Markdown tables.

    python measure.py --work FOLDER [--turns 2] ROWS...

Seconds are wall time, memory is the peak resident set, both as the kernel counts them for the process; own memory is
the part of it that is not a mapped file. Both sides run twice, in turn; the faster run of each is shown in full. If the job
by hand fails, the tools are measured alone, and the exit code is 1.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import goals

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = ("ingest", "clean", "features", "train", "predict", "export")
MIB = 1024 * 1024
TURNS = 2
"""Of the time and the memory of the job by hand, without reasons for each score and with them; the first holds at 10 M rows."""
TIME, TIME_WITH_REASONS, MEMORY, MEMORY_OF_TRAIN = 0.75, 0.3, 0.4, 0.5
"""Of the processor time of a stage."""
EVIDENCE = 0.1


class Failed(SystemExit):
    """A command failed. Unless it is caught, it ends the script with its message and exit code 1."""


@dataclass
class Run:
    """A process that has succeeded."""

    name: str
    seconds: float
    memory: int
    own: int
    stdout: str
    rows_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    evidence: float = 0
    cpu: float = 0
    messages: list = field(default_factory=list)
    extra: dict = field(default_factory=dict)


class Watched:
    """The most memory of its own that a process had: without the files that are mapped into it. Looked at 20 times a second."""

    def __init__(self, pid):
        self.status = Path(f"/proc/{pid}/status")
        self.seen = [0]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.ended.wait(0.05):
            try:
                line = next(line for line in self.status.read_text().splitlines() if line.startswith("RssAnon:"))
            except (OSError, StopIteration):
                continue
            self.seen.append(int(line.split()[1]) * 1024)

    def most(self):
        self.ended.set()
        self.thread.join()
        return max(self.seen)


def run(name, command, environment, check=True):
    """Runs a command to its end and measures it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        watched = Watched(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        own = watched.most()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(), err.read().decode()
    if check and process.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit {process.returncode}\n{stderr}")
    result = Run(name, seconds, usage.ru_maxrss * 1024, own, stdout)
    result.cpu = usage.ru_utime + usage.ru_stime
    for line in stderr.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        result.messages.append(event.get("message", ""))
        if "table" in event and "rows_in" in event:
            result.rows_in = max(result.rows_in, int(event["rows_in"]))
            result.evidence += float(event["evidence_cpu_seconds"])
    return result


def size(paths, root):
    """Bytes of files; of all files of a folder."""
    total = 0
    for path in (root / path for path in paths):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        total += sum(file.stat().st_size for file in files)
    return total


def latest(root, folder):
    return (root / folder / "latest").read_text().split()


def inputs(tool, root, log):
    """What a stage reads, as paths below the root."""
    match tool:
        case "ingest":
            return [log]
        case "clean":
            return latest(root, "data/raw/bench")
        case "features":
            return latest(root, "data/processed/bench/clean")
        case "train":
            return [path for path in latest(root, "data/processed/bench/features") if "training" in path]
        case "predict":
            return [path for path in latest(root, "data/processed/bench/features") if "scoring" in path]
        case _:
            return latest(root, "data/output/bench/predict")


def project(work, name):
    """A project in a folder of the benchmark, with the pipelines of scripts/bench/resources."""
    root = work.resolve() / str(name)
    root.mkdir(parents=True, exist_ok=True)
    resources = root / "resources"
    # It may be that of another clone, which shares the folder of builds.
    resources.unlink(missing_ok=True)
    resources.symlink_to(REPOSITORY / "scripts/bench/resources")
    return root


def make_log(root, rows):
    """The CSV that both read, through the tools themselves; made once."""
    log = root / "purchases.csv"
    if log.exists():
        return log
    environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_ROWS": str(rows)}
    run("generate", [REPOSITORY / "bin/ingest", "log"], environment)
    part = root / "purchases.csv.part"
    run("write", [REPOSITORY / "bin/export", "log", *latest(root, "data/raw/log"), "-o", part], environment)
    part.rename(log)
    return log


def stages(root, rows, log):
    # As by hand: a first model, without a champion to compare it with, and nothing left of earlier runs.
    shutil.rmtree(root / "data", ignore_errors=True)
    environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_LOG": str(log), "BENCH_ROWS": str(rows)}
    runs = []
    for tool in TOOLS:
        done = run(tool, [REPOSITORY / "bin" / tool, "bench", "--force", "--log-format", "json"], environment)
        done.bytes_in = size(inputs(tool, root, log), root)
        done.bytes_out = size(done.stdout.split(), root)
        done.rows_in = done.rows_in or rows
        again = run(tool, [REPOSITORY / "bin" / tool, "bench", "--quiet"], environment)
        done.extra["up_to_date"] = again.seconds
        runs.append(done)
    return runs


def model_quality(root):
    """AUC on test of the newest model version."""
    folder = root / latest(root, "data/models/bench")[0]
    folder = folder if folder.is_dir() else folder.parent
    metrics = json.loads((folder / "model.json").read_text())["metrics"]
    return metrics["auc"]["value"]


def by_hand(root, log):
    script = REPOSITORY / "scripts/bench/baseline.py"
    done = run("by hand", [sys.executable, script, log, root / "by_hand.csv"], dict(os.environ))
    done.extra = json.loads(done.stdout.splitlines()[-1])  # LightGBM warns on stdout, too
    done.bytes_in, done.bytes_out = log.stat().st_size, (root / "by_hand.csv").stat().st_size
    return done


def total(runs):
    """Seconds of all stages."""
    return sum(done.seconds for done in runs)


def listed(seconds):
    return " and ".join(f"{at:.1f}" for at in seconds)


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def tables(rows, runs, hand, log, root):
    lines = [f"### {rows:,} purchases ({log.stat().st_size / MIB:,.0f} MiB as CSV)", ""]
    lines += [row("stage", "rows in", "seconds", "rows/s", "peak MiB", "MiB in", "MiB out", "evidence (CPU)", "up to date, ms")]
    lines += [row("---", *["---:"] * 8)]
    for done in runs:
        lines.append(
            row(
                done.name,
                f"{done.rows_in:,}",
                f"{done.seconds:.1f}",
                f"{done.rows_in / done.seconds:,.0f}",
                f"{done.memory / MIB:,.0f}",
                f"{done.bytes_in / MIB:,.1f}",
                f"{done.bytes_out / MIB:,.1f}",
                f"{done.evidence / done.cpu:.1%}",
                f"{done.extra['up_to_date'] * 1000:.0f}",
            )
        )
    of = [("**all six**", total(runs), max(done.memory for done in runs))]
    of += [("**Python by hand**", hand.seconds, hand.memory)] if hand else []
    for name, seconds, memory in of:
        lines.append(row(name, f"{rows:,}", f"**{seconds:.1f}**", f"{rows / seconds:,.0f}", f"**{memory / MIB:,.0f}**", "", "", "", ""))
    parquet = size(latest(root, "data/raw/bench"), root)
    smaller = f"Raw Parquet: {1 - parquet / log.stat().st_size:.0%} smaller than the CSV. AUC on test: {model_quality(root):.4f}"
    if hand:
        parts = ", ".join(f"{name} {at:.1f} s" for name, at in hand.extra["seconds"].items())
        lines += [
            "",
            f"Time: {total(runs) / hand.seconds:.2f} of Python's. Memory: {of[0][2] / hand.memory:.2f} of Python's. "
            f"{smaller}, Python {hand.extra['auc']:.4f}. Python's parts: {parts}.",
            "",
        ]
    else:
        lines += ["", f"{smaller}.", ""]
    return lines


def note_goals(rows, runs, hand):
    """The figures that the project has goals for."""
    at, has_reasons = f"{rows:,} purchases", os.environ.get("BENCH_REASONS", "0") != "0"
    with_reasons = ", with reasons" if has_reasons else ""
    if hand:
        time_goal = TIME_WITH_REASONS if has_reasons else TIME
        # With a small log, most of the time is start-up.
        is_large = rows >= 10_000_000
        goals.note(f"all six stages, time by that of the job by hand, {at}{with_reasons}", total(runs) / hand.seconds,
                   at_most=time_goal if is_large else None)
        if not has_reasons:
            goals.note(f"all six stages, memory by that of the job by hand, {at}", max(done.memory for done in runs) / hand.memory,
                       at_most=MEMORY if is_large else None)
            train = next(done for done in runs if done.name == "train")
            goals.note(f"`train`, memory by that of the job by hand, {at}", train.memory / hand.memory, at_most=MEMORY_OF_TRAIN)
    if not has_reasons:
        for done in runs[:3]:
            goals.note(f"evidence of `{done.name}`, share of its CPU time, {at}", done.evidence / done.cpu, at_most=EVIDENCE)


def startup():
    """Milliseconds of `--help`, the best of ten."""
    times = {tool: min(run(tool, [REPOSITORY / "bin" / tool, "--help"], dict(os.environ)).seconds for _ in range(10)) * 1000 for tool in TOOLS}
    goals.note("`--help` of the slowest of the six tools", max(times.values()), " ms", at_most=10)
    return "`--help`: " + ", ".join(f"{tool} {at:.1f} ms" for tool, at in times.items()) + "."


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024 / MIB
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} {platform.release()}"


def by_hand_if_it_can(root, log):
    """The job by hand; nothing if it fails."""
    try:
        return by_hand(root, log)
    except Failed as failed:
        print(f"bench: the job by hand failed: {failed}", file=sys.stderr)
        return None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--turns", type=int, default=TURNS)
    arguments.add_argument("rows", type=int, nargs="+")
    given = arguments.parse_args()
    lines, totals, is_whole = [f"Measured by `make bench` on {machine()}.", ""], [], True
    for rows in given.rows:
        root = project(given.work, rows)
        print(f"bench: {rows:,} purchases", file=sys.stderr)
        log = make_log(root, rows)
        # In turn, so that other load on the machine slows both down.
        turns = [(stages(root, rows, log), by_hand_if_it_can(root, log)) for _ in range(given.turns)]
        ours, theirs = [runs for runs, _ in turns], [hand for _, hand in turns if hand]
        is_whole &= len(theirs) == len(turns)
        runs, hand = min(ours, key=total), min(theirs, key=lambda hand: hand.seconds, default=None)
        lines += tables(rows, runs, hand, log, root)
        lines += [f"All runs: {listed(map(total, ours))} s, Python {listed(hand.seconds for hand in theirs) or 'failed'} s.", ""]
        note_goals(rows, runs, hand)
        totals.append((rows, total(runs)))
    if len(totals) > 1:
        (few, fast), (many, slow) = totals[0], totals[-1]
        lines += [f"{many / few:.0f} times the rows took {slow / fast:.1f} times as long.", ""]
    lines.append(startup())
    print("\n".join(lines) + "\n")
    if not is_whole:
        sys.exit("measure.py: the job by hand failed")


if __name__ == "__main__":
    main()
