"""Builds OpenLineage events, one JSON object per line of the file named, with the classes of OpenLineage's own client.

They are generated from the published schema. An attribute that the schema does not know or that is missing, a value of another
type, or an address of another schema is an error. Prints how many events and facets there were.
"""

import enum
import importlib
import json
import pkgutil
import sys
import types
import typing
import uuid

import attr
from openlineage.client import generated
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent

FACETS = {}
for module in pkgutil.iter_modules(generated.__path__):
    names = vars(importlib.import_module(f"openlineage.client.generated.{module.name}"))
    FACETS.update({name: (cls, names) for name, cls in names.items() if attr.has(cls)})

seen = 0


def built(kind, value, names, place):
    """A value of this type, whose own types stand in `names`."""
    if isinstance(kind, str):
        kind = eval(kind, dict(names))
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for kind in inner if kind is not type(None)]
        if value is None:
            assert len(kinds) < len(inner), f"{place}: null"
            return None
        return built(kinds[0], value, names, place)
    if kind is typing.Any:
        return value
    if origin is list:
        assert isinstance(value, list), f"{place}: not a list"
        return [built(inner[0], one, names, f"{place}[{at}]") for at, one in enumerate(value)]
    if origin is dict:
        assert isinstance(value, dict), f"{place}: not an object"
        return {key: built(inner[1], one, names, f"{place}.{key}") for key, one in value.items()}
    if attr.has(kind):
        return of_class(kind, value, names, place)
    if issubclass(kind, enum.Enum):
        return kind(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {str: isinstance(value, str), bool: isinstance(value, bool), float: number, int: number and value == int(value)}
    assert fits[kind], f"{place}: {value!r} is not {kind.__name__}"
    return value


def of_class(cls, value, names, place):
    assert isinstance(value, dict), f"{place}: not an object"
    fields = {field.alias: field for field in attr.fields(cls) if field.init and not field.name.startswith("_")}
    own = {key: one for key, one in value.items() if not key.startswith("_")}
    unknown = own.keys() - fields.keys()
    assert not unknown, f"{place}: {cls.__name__} has no {sorted(unknown)}"
    return cls(**{key: built(fields[key].type, one, names, f"{place}.{key}") for key, one in own.items()})


def facets(values, place):
    global seen
    for key, value in (values or {}).items():
        assert value["_producer"].startswith("https://"), f"{place}.{key}"
        address, name = value["_schemaURL"].split("#/$defs/")
        cls, names = FACETS[name]
        if name == "BaseFacet":
            assert key.startswith("millrace_"), f"{place}.{key}: not a facet of ours"
        else:
            published = cls._get_schema().split("#")[0]
            assert address == published, f"{place}.{key}: {address}, but the published one is {published}"
            of_class(cls, value, names, f"{place}.{key}")
        seen += 1


def datasets(cls, values, kind):
    for at, value in enumerate(values):
        place = f"{cls.__name__}[{at}]"
        assert value.keys() <= {"namespace", "name", "facets", kind}, f"{place}: {sorted(value)}"
        cls(namespace=value["namespace"], name=value["name"])
        facets(value.get("facets"), place)
        facets(value.get(kind), place)


events = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
for event in events:
    known = {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}
    assert event.keys() <= known, sorted(event.keys() - known)
    assert event["schemaURL"] == RunEvent._get_schema(), event["schemaURL"]
    uuid.UUID(event["run"]["runId"])
    RunEvent(
        eventType=event["eventType"],
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=Run(runId=event["run"]["runId"]),
        job=Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
    )
    facets(event["run"].get("facets"), "run")
    facets(event["job"].get("facets"), "job")
    datasets(InputDataset, event["inputs"], "inputFacets")
    datasets(OutputDataset, event["outputs"], "outputFacets")
print(len(events), seen)
