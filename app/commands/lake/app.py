"""``eddy lake``: the tables, who feeds them, and what is done with them every day."""

from eddy.app.commands.options import group

_ROOM = "eddy.app.commands.lake"
app = group(
    "lake",
    "Tables on S3: created, fed, checked, compacted, queried.",
    {
        "create": f"{_ROOM}.create:create",
        "connect": f"{_ROOM}.connect:connect",
        "watch": f"{_ROOM}.watch:watch",
        "check": f"{_ROOM}.check:check",
        "load": f"{_ROOM}.load:load",
        "compact": f"{_ROOM}.compact:compact",
        "cluster-rides": f"{_ROOM}.cluster_rides:cluster_rides",
        "export": f"{_ROOM}.export:export",
        "sql": f"{_ROOM}.sql:sql",
    },
)
