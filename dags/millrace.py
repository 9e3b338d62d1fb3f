"""Every pipeline of a Millrace project as a DAG of Airflow 3.

Copy this file into Airflow's DAG folder, or set that folder to the project's `dags/`. No provider is needed: the file
asks `millrace schedule --as json` for the workflows, and each task calls one tool. docs/orchestrators.md has the details.

Environment variables:
    MILLRACE_ROOT  the project's folder; default: the folder above this file's
    MILLRACE       the program; default: bin/millrace of the project, else `millrace`
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, Param, get_parsing_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.interval import CronDataIntervalTimetable

ROOT = Path(os.environ.get("MILLRACE_ROOT") or Path(__file__).resolve().parents[1])
PROGRAM = os.environ.get("MILLRACE") or next(
    (str(path) for path in [ROOT / "bin" / "millrace"] if path.exists()), "millrace"
)

# Exit codes, docs/exit-codes.md.
DONE, TRY_AGAIN = 0, 75
# How many seconds a tool may take to stop when it is asked to.
GRACE = 60

PARAMS = {
    "force": Param(False, type="boolean", description="Run the stages even if nothing changed"),
    "backfill": Param(
        None,
        type=["null", "string"],
        pattern=r"^\d{4}-\d\d(-\d\d)?\.\.\d{4}-\d\d(-\d\d)?$",
        description="Read these days of incremental sources again: 2024-01..2024-06",
    ),
}


def environment() -> dict[str, str]:
    # So that trainings that run at the same time do not compete for cores: docs/cron.md.
    return {"GOMP_SPINCOUNT": "1000", **os.environ, "MILLRACE_ROOT": str(ROOT)}


def asset_of(pipeline: str, tool: str, snapshot: str) -> Asset:
    """The current output of a stage. Its events say that it changed."""
    return Asset(name=f"{pipeline}.{tool}", uri=(ROOT / snapshot).absolute().as_uri())


class Stage(BaseOperator):
    """One run of a tool for one pipeline. Returns what it published and the books of its tables."""

    ui_color = "#e8f0ea"

    def __init__(self, *, pipeline: str, tool: str, snapshot: str | None, **options) -> None:
        self.pipeline, self.tool, self.snapshot = pipeline, tool, snapshot
        self.process: subprocess.Popen | None = None
        self.asset = asset_of(pipeline, tool, snapshot) if snapshot else None
        # Each success would send an event for the asset itself, whether or not anything is new.
        self.alias = AssetAlias(name=f"{pipeline}.{tool}.new") if snapshot else None
        if self.asset:
            options |= {"outlets": [self.alias], "inlets": [self.asset]}
        super().__init__(**options)

    def execute(self, context) -> dict:
        command = [PROGRAM, self.tool, self.pipeline, "--log-format", "json", *self.flags(context)]
        if self.tool == "release":
            command += ["--format", "json"]
        code, printed, report = self.call(command)
        if code != DONE:
            reason = report["error"] or f"{self.tool} {self.pipeline} ended with exit code {code}"
            raise (AirflowException if code == TRY_AGAIN else AirflowFailException)(reason)
        if self.asset:
            self.announce(context, report)
        result = {"up_to_date": report["up_to_date"], "tables": report["tables"]}
        if self.tool == "release":
            return result | {"answer": printed}
        return result | {"paths": printed}

    def flags(self, context) -> list[str]:
        params, run = context["params"], context["dag_run"]
        for name in run.conf or {}:
            if name not in PARAMS:
                raise AirflowFailException(f"unknown parameter '{name}'; choose one of: {', '.join(PARAMS)}")
        flags = ["--force"] if params.get("force") and self.tool != "release" else []
        if self.tool != "ingest":
            return flags
        period = params.get("backfill")
        if not period and str(getattr(run.run_type, "value", run.run_type)) == "backfill":
            # The days of the interval, in the zone of the schedule; both are included.
            zone = ZoneInfo(self.dag.timezone.name)
            first = run.data_interval_start.astimezone(zone).date()
            last = (run.data_interval_end - timedelta(seconds=1)).astimezone(zone).date()
            period = f"{first}..{max(first, last)}"
        return [*flags, "--backfill", period] if period else flags

    def call(self, command: list[str]) -> tuple[int, list[str], dict]:
        """Exit code, lines of stdout, and what the log lines say."""
        self.log.info("%s", " ".join(command))
        report = {"error": None, "up_to_date": False, "tables": {}}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        process, printed = self.process, []
        reader = threading.Thread(target=lambda: printed.extend(line.rstrip("\n") for line in process.stdout))
        reader.start()
        try:
            for line in process.stderr:
                self.read_log(line, report)
            code = process.wait()
        finally:
            # A time-out of Airflow arrives as an exception.
            self.on_kill()
            reader.join()
        return code, printed, report

    def read_log(self, line: str, report: dict) -> None:
        try:
            entry = json.loads(line)
            level, message = entry["level"], entry["message"]
        except (ValueError, KeyError, TypeError):
            self.log.info("%s", line.rstrip())
            return
        log = {"ERROR": self.log.error, "WARN": self.log.warning}.get(level, self.log.info)
        log("%s", message)
        if level == "ERROR":
            report["error"] = message
        if entry.get("up_to_date"):
            report["up_to_date"] = True
        if "table" in entry and "rows_out" in entry:
            counted = {key: entry[key] for key in ("rows_in", "rows_out", "bytes", "seconds", "path") if key in entry}
            if "books" in entry:
                counted["books"] = json.loads(entry["books"])
            report["tables"][entry["table"]] = counted

    def announce(self, context, report: dict) -> None:
        """Triggers the DAGs that wait for this stage, if its snapshot has changed since they were last triggered. So nothing is
        announced twice, and nothing is lost if a worker dies in between."""
        file = ROOT / self.snapshot
        if not file.is_file():
            return
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        known = [event.extra.get("snapshot") for event in context["inlet_events"][self.asset]][-1:]
        if known == [content]:
            return
        rows = {table: counted["rows_out"] for table, counted in report["tables"].items()}
        context["outlet_events"][self.alias].add(self.asset, extra={"snapshot": content, "rows": rows})

    def on_kill(self) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


TIME_RAN_OUT = "stopped because its time ran out (time_out in schedule.yaml)"


def gave_up(context) -> None:
    """Sends the alert `gave_up` of schedule.yaml after the last try of a stage: its time ran out, or retries did not help. For
    refused data and for runs that cannot start, the tools have already sent alerts."""
    error, limit = context.get("exception"), context["dag"].dagrun_timeout
    if isinstance(error, AirflowFailException):
        return
    # `run_gave_up` reports a run whose time is up.
    if limit and datetime.now(timezone.utc) >= context["dag_run"].start_date + limit:
        return
    because = TIME_RAN_OUT if isinstance(error, AirflowTaskTimeout) else str(error or "").strip()
    alert(context["task"], because or "failed without a reason")


def run_gave_up(context) -> None:
    """Sends the same alert for a run whose time ran out: in a try of a stage, which may have retries left, or in a pause."""
    if context.get("reason") == "timed_out":
        alert(context.get("task") or context["dag"].tasks[0], f"the run was {TIME_RAN_OUT}")


def alert(task: Stage, because: str) -> None:
    command = [PROGRAM, "run", task.pipeline, "--gave-up", task.tool, "--because", because]
    subprocess.run(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, timeout=120, check=False)


class Broken(BaseOperator):
    """The task of a pipeline whose files cannot be read, so that the other pipelines keep their DAGs."""

    def __init__(self, *, reason: str, **options) -> None:
        self.reason = reason
        super().__init__(**options)

    def execute(self, context) -> None:
        raise AirflowFailException(self.reason)


def workflow_of(pipeline: str) -> tuple[dict | None, str]:
    """A pipeline's workflow as `millrace schedule` describes it, or the reason why it cannot."""
    command = [PROGRAM, "schedule", pipeline, "--as", "json"]
    try:
        answer = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{PROGRAM} cannot be called: {error}; set MILLRACE to the program"
    if answer.returncode != 0:
        return None, answer.stderr.strip()
    return json.loads(answer.stdout)[0], ""


def seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def times_of(workflow: dict):
    """The schedule of a DAG: times, assets, either, or none."""
    assets = [asset_of(*source["stage"].split("."), source["snapshot"]) for source in workflow.get("after", [])]
    if not workflow.get("cron"):
        return either_of(assets) if assets else None
    times = CronDataIntervalTimetable(workflow["cron"], timezone=workflow["time_zone"])
    return AssetOrTimeSchedule(timetable=times, assets=either_of(assets)) if assets else times


def either_of(assets: list[Asset]):
    """A schedule that any one of the assets triggers."""
    either = assets[0]
    for asset in assets[1:]:
        either = either | asset
    return either


def dag_of(pipeline: str, workflow: dict | None, reason: str) -> DAG:
    zone = ZoneInfo((workflow or {}).get("time_zone") or "UTC")
    common = {
        "dag_id": pipeline,
        "start_date": datetime(2024, 1, 1, tzinfo=zone),
        "catchup": False,
        # Two runs of a pipeline would wait for each other.
        "max_active_runs": 1,
        "tags": ["millrace"],
    }
    if workflow is None:
        with DAG(**common, schedule=None, doc_md=reason) as dag:
            Broken(task_id="schedule", reason=reason)
        return dag
    # Without schedule.yaml, nothing says how urgent an alert is.
    is_scheduled = bool(workflow.get("cron") or workflow.get("after"))
    defaults = {
        "retries": workflow.get("retries", 2),
        "retry_delay": seconds(workflow.get("wait_seconds", 300)),
        "max_retry_delay": seconds(workflow.get("longest_wait_seconds", 3600)),
        # Airflow 3.2 and later take it for the factor, and `True` for 1.
        "retry_exponential_backoff": 2,
        "execution_timeout": seconds(workflow.get("stage_seconds")),
        # Backfills of Airflow start several runs of a DAG at once, and scheduled runs beside them.
        "max_active_tis_per_dag": 1,
        "on_failure_callback": gave_up if is_scheduled else None,
    }
    with DAG(
        **common,
        schedule=times_of(workflow),
        dagrun_timeout=seconds(workflow.get("run_seconds")),
        on_failure_callback=run_gave_up if is_scheduled else None,
        default_args=defaults,
        params=PARAMS,
        doc_md=f"The pipeline `{pipeline}` of {ROOT}: one task per file in `resources/{pipeline}/`.",
    ) as dag:
        tasks = {}
        for task in workflow["tasks"]:
            tool = task["tool"]
            tasks[tool] = Stage(task_id=tool, pipeline=pipeline, tool=tool, snapshot=task["snapshot"])
            for before in task["after"]:
                tasks[before] >> tasks[tool]
    return dag


def name_of(pipeline: str) -> str:
    """The name of its DAG. Where Airflow does not allow the folder's, a hash keeps it apart from that of a pipeline."""
    if re.fullmatch(r"[\w.-]{1,200}", pipeline):
        return pipeline
    return re.sub(r"[^A-Za-z0-9_.-]", "_", pipeline)[:200] + "." + hashlib.sha256(os.fsencode(pipeline)).hexdigest()[:8]


def folders() -> list[Path]:
    """The folders in `resources/` that are read: all of them, or that of the task to run. Hidden ones are copies of editors."""
    every = [folder for folder in sorted((ROOT / "resources").iterdir()) if not folder.name.startswith(".")]
    wanted = get_parsing_context().dag_id
    return [
        folder
        for folder in every
        if folder.is_dir() and any(folder.glob("*.yaml")) and wanted in (None, name_of(folder.name))
    ]


def read(folder: Path, workflow: dict | None, reason: str) -> DAG | None:
    """The DAG of a folder in `resources/`; `None` if it has no stage. Whatever is wrong with it costs this DAG alone."""
    name = name_of(folder.name)
    try:
        return dag_of(name, workflow, reason) if workflow is None or workflow["tasks"] else None
    except Exception as error:
        return dag_of(name, None, f"{folder}: {error}")


_folders = folders()
# At once: each waits for a process, and Airflow stops a file that takes 30 seconds.
with ThreadPoolExecutor(8) as _pool:
    _workflows = list(_pool.map(workflow_of, [_folder.name for _folder in _folders]))
for _folder, (_workflow, _reason) in zip(_folders, _workflows):
    if _dag := read(_folder, _workflow, _reason):
        globals()[f"dag_{_dag.dag_id}"] = _dag
