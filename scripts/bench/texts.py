"""Measures the text steps: rules over a million texts, and a language model that answers in 50 ms. Part of `make bench`.

The server speaks the real protocol on loopback (crates/testkit) and shares the two cores with what is measured.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import goals
from measure import MIB, REPOSITORY, project, row, run

LATENCY_MS, SLOTS, DISTINCT = 50, 64, 20_000


class Server:
    """The loopback server: its address, and how many requests came."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, str(LATENCY_MS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def stop(self):
        out, _ = self.process.communicate("")
        return int(out)


def write_texts(path, rows):
    """`rows` reviews, DISTINCT of them different."""
    if path.exists():
        return path
    part = path.with_suffix(".part")
    with part.open("w") as out:
        out.write("id,text\n")
        for at in range(rows):
            out.write(f"{at},review number {at * 7919 % DISTINCT} was quite good\n")
    part.rename(path)
    return path


def answered(root, server, share):
    """(what, rows, done) for asking, asking again, and ten times the rows."""
    found = []
    for what, rows in [("asked", 100_000), ("known", 100_000), ("known, ten times the rows", 1_000_000)]:
        rows = int(rows * share)
        log = write_texts(root / f"texts_{rows}.csv", rows)
        environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_LOG": str(log), "BENCH_SERVER": server}
        run("ingest", [REPOSITORY / "bin/ingest", "asked", "--quiet"], environment)
        done = run("clean", [REPOSITORY / "bin/clean", "asked", "--force", "--log-format", "json"], environment)
        found.append((what, rows, done))
    return found


def rules(root, rows):
    environment = os.environ | {"MILLRACE_ROOT": str(root), "BENCH_ROWS": str(rows)}
    run("ingest", [REPOSITORY / "bin/ingest", "rules", "--quiet"], environment)
    return run("clean", [REPOSITORY / "bin/clean", "rules", "--force", "--log-format", "json"], environment)


def line(what, rows, done):
    memory = [f"{size / MIB:,.0f}" for size in (done.memory, done.own)]
    return row(what, f"{rows:,}", f"{done.seconds:.2f}", f"{rows / done.seconds:,.0f}", *memory)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--server", type=Path, required=True)
    arguments.add_argument("--share", type=float, default=1, help="of the usual number of rows")
    given = arguments.parse_args()
    root = project(given.work, "texts")
    shutil.rmtree(root / "data", ignore_errors=True)
    server = Server(given.server)
    found = answered(root, server.address, given.share)
    requests = server.stop()
    distinct = min(DISTINCT, found[0][1])
    ideal = distinct / SLOTS * LATENCY_MS / 1000
    lines = ["### Texts", "", row("clean", "rows", "seconds", "rows/s", "peak MiB", "own MiB"), row("---", *["---:"] * 5)]
    lines += [line(f"model, {what}", rows, done) for what, rows, done in found]
    sizes = [int(rows * given.share) for rows in (100_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000)]
    lines += [line("seven rules", rows, rules(root, rows)) for rows in sizes]
    whole = ideal / found[0][2].seconds
    goals.note("asking a model, speed by that of the slots", whole)
    lines += [
        "",
        f"Asked: {distinct:,} distinct inputs, {SLOTS} at once, answers in {LATENCY_MS} ms; the ideal is {ideal:.2f} s. Asking alone "
        f"(without the time of the same run with all answers known) reached {ideal / (found[0][2].seconds - found[1][2].seconds):.1%} "
        f"of it, `clean` as a whole {whole:.1%}. The server counted {requests:,} requests in all three runs.",
        "",
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
