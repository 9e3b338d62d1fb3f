"""Figures of the benchmark beside the goals that the project has set.

Each part notes its figures here; `scripts/bench/run` prints all of them in one table at the end. A part that runs by itself prints
its own.
"""

import json
import os
import sys

FIGURES = "BENCH_FIGURES"


def note(what, value, unit="", at_least=None, at_most=None):
    """One figure, with the goal that it has to reach, if there is one."""
    figure = {"what": what, "value": value, "unit": unit, "at_least": at_least, "at_most": at_most}
    file = os.environ.get(FIGURES)
    if file:
        with open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(figure) + "\n")
    elif at_least is not None or at_most is not None:
        print(f"bench: {in_words(figure)}", file=sys.stderr)


def is_reached(figure):
    """Whether the goal is reached; `None` without one."""
    value, least, most = figure["value"], figure["at_least"], figure["at_most"]
    if least is None and most is None:
        return None
    return (least is None or value >= least) and (most is None or value <= most)


def number(value):
    """Three digits that count, or all digits of a large number."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def goal(figure):
    """The goal as people read it."""
    bounds = [f"≥ {number(figure['at_least'])}"] if figure["at_least"] is not None else []
    bounds += [f"≤ {number(figure['at_most'])}"] if figure["at_most"] is not None else []
    return " and ".join(bounds)


def verdict(figure):
    return {None: "", True: "reached", False: "**missed**"}[is_reached(figure)]


def in_words(figure):
    return f"{figure['what']}: {number(figure['value'])}{figure['unit']} (goal {goal(figure)}: {verdict(figure).strip('*')})"
