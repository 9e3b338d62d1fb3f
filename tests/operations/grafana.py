"""Reads the dashboard named on the command line with the classes of Grafana's own SDK, and writes it again.

They are generated from Grafana's published schema, of panels' options, too. What the schema does not know is lost on the way, and a
value that it has otherwise comes back changed: both are errors. Prints how many values came back.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

seen, faults = 0, []


def compare(given, back, place):
    global seen
    if isinstance(given, dict) and isinstance(back, dict):
        for name, value in given.items():
            if name in back:
                compare(value, back[name], f"{place}.{name}")
            else:
                faults.append(f"{place}.{name}: the schema does not have it")
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for at, pair in enumerate(zip(given, back)):
            compare(*pair, f"{place}[{at}]")
    elif type(given) is not type(back) or given != back:
        faults.append(f"{place}: {given!r} came back as {back!r}")
    else:
        seen += 1


register_default_plugins()
with open(sys.argv[1]) as file:
    dashboard = json.load(file)
compare(dashboard, json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard))), "dashboard")
print(seen)
sys.exit("\n".join(faults) or 0)
