"""Eddy watches Kafka: it scores every event as it passes and publishes each anomaly exactly once.

The rooms of the house are folders beside this one; here stands one relative link to each, so that
all of them import as ``eddy.<room>`` and a wheel holds one top-level package. docs/architecture.md
says what each room holds, docs/reference/python.md what users of the library may rely on.
"""
