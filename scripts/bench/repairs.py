#!/usr/bin/env python3
"""Times the steps of `clean` that look at the whole table in order to repair it.

    cargo build --release -p ingest -p clean
    scripts/bench/repairs.py [--rows 1000000] [--bin target/release]

The table is generated: people with an address, a city that is misspelt in one row of a hundred, and a copy of one row of ten in
which a letter of the name is wrong. Each step runs alone; what reading and writing the table costs is the line 'no step'.
"""

import argparse
import os
import pathlib
import random
import resource
import subprocess
import tempfile
import time

import goals

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = {
    "no step": "",
    "repair": "- repair: {key: zip, columns: [city], by: majority}",
    "cluster, fingerprint": "- cluster: {columns: [name], method: fingerprint}",
    "cluster, edit distance": "- cluster: {columns: [city], method: edit_distance, apply: true}",
    "cluster, edit distance of 1 M values": "- cluster: {columns: [name], method: {edit_distance: {min_count: 2, times: 2}}}",
    "dedupe, any": "- dedupe: {any: [email, [name, zip]]}",
    "dedupe, similar": "- dedupe: {similar: {block: [[zip, born]], fields: [{column: name, weight: 2}, {column: email}], threshold: 0.9}}",
    "fill_down": "- fill_down: {columns: [email], group_by: [zip]}",
    "outliers, mad by group": "- outliers: {columns: [income], method: mad, group_by: [zip], action: null}",
}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "target/release")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        folder = pathlib.Path(folder)
        write(folder / "people.csv", arguments.rows)
        resources = folder / "resources" / "people"
        resources.mkdir(parents=True)
        columns = "name: string, email: string, zip: string, city: string, born: int64, income: float64"
        (resources / "ingest.yaml").write_text(f"tables: {{people: {{source: {{file: {{path: people.csv}}}}, columns: {{{columns}}}}}}}\n")
        environment = {**os.environ, "MILLRACE_ROOT": str(folder)}
        run(arguments.bin / "ingest", environment)
        for name, step in STEPS.items():
            steps = f"    steps:\n      {step}\n" if step else ""
            (resources / "clean.yaml").write_text(f"tables:\n  people:\n    from: people\n{steps}")
            began = time.monotonic()
            memory = run(arguments.bin / "clean", environment)
            seconds = time.monotonic() - began
            print(f"{name:38} {seconds:6.2f} s {memory:8.0f} MiB", flush=True)
            goals.note(f"{name}, {arguments.rows:,} rows", seconds, " s")


def run(tool, environment):
    """Runs a tool; returns the most memory that it or an earlier one took."""
    subprocess.run([tool, "people", "--quiet"], env=environment, check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def write(file, rows):
    source = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    cities = ["".join(source.choices(letters, k=source.randint(6, 14))) for _ in range(2_000)]

    def wrong(text):
        at = source.randrange(len(text))
        return text[:at] + source.choice(letters) + text[at + 1 :]

    with open(file, "w", encoding="utf-8") as out:
        out.write("name,email,zip,city,born,income\n")
        last = None
        for number in range(rows):
            if last and source.random() < 0.1:
                name, email, zip_code, city, born = last
                name = wrong(name)
            else:
                name = "".join(source.choices(letters, k=8)) + " " + "".join(source.choices(letters, k=8))
                email = f"{name.replace(' ', '.')}@example.org"
                zip_code = source.randrange(20_000)
                city = cities[zip_code % 2_000]
                born = source.randrange(1930, 2010)
            last = (name, email, zip_code, city, born)
            shown = wrong(city) if source.random() < 0.01 else city
            mail = "" if source.random() < 0.05 else email
            out.write(f"{name},{mail},{zip_code:05},{shown},{born},{source.lognormvariate(10, 0.5):.2f}\n")


if __name__ == "__main__":
    main()
