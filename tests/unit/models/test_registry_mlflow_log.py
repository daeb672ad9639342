"""The audit log in MLflow's tags: what counts, in which order, whoever died in between."""

import itertools
from datetime import UTC, datetime

from eddy.models.registry.aliases import Action, AliasChange
from eddy.models.registry.mlflow.log import AuditLog, encode

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def key(sequence: int, digits: str = "00000000") -> str:
    return f"eddy.log.{sequence:08d}.{digits}"


def line(
    after: str, confirmed: bool = True, action: Action = "set", alias: str = "champion"
) -> str:
    change = AliasChange(
        sequence=1, at=NOW, action=action, alias=alias, before=None, after=after, by="ana"
    )
    return encode(change, is_confirmed=confirmed)


def told(log: AuditLog) -> list[tuple[int, str | None, str]]:
    return [(change.sequence, change.before, change.after) for change in log.changes]


def test_lines_make_a_chain() -> None:
    tags = {key(1): line("1"), key(2): line("2"), key(3): line("1", action="rollback")}
    log = AuditLog(tags, {"champion": "1"})
    assert told(log) == [(1, None, "1"), (2, "1", "2"), (3, "2", "1")]
    assert log.state.replaced == []
    assert log.next_key().startswith("eddy.log.00000004.")


def test_a_line_whose_alias_never_followed_is_passed_over() -> None:
    tags = {key(1): line("1"), key(2): line("2", confirmed=False)}
    log = AuditLog(tags, {"champion": "1"})
    assert told(log) == [(1, None, "1")]
    assert log.unconfirmed() == {}
    later = AuditLog({**tags, key(3): line("3")}, {"champion": "3"})
    assert told(later) == [(1, None, "1"), (2, "1", "3")]


def test_a_line_that_took_effect_counts_without_its_confirmation() -> None:
    log = AuditLog({key(1): line("1"), key(2): line("2", confirmed=False)}, {"champion": "2"})
    assert told(log) == [(1, None, "1"), (2, "1", "2")]
    assert [change.after for change in log.unconfirmed().values()] == ["2"]


def test_aliases_do_not_hide_one_another() -> None:
    tags = {
        key(1): line("1", confirmed=False),
        key(2): line("2", alias="challenger"),
        key(3): line("3", action="refused"),
    }
    log = AuditLog(tags, {"champion": "1", "challenger": "2"})
    assert told(log) == [(1, None, "1"), (2, None, "2"), (3, "1", "3")]
    assert log.target("champion") == "1"


def test_all_readers_see_two_writers_in_the_same_order() -> None:
    tags = {key(1): line("1"), key(2, "0a" * 4): line("2"), key(2, "0b" * 4): line("3")}
    seen = [
        told(AuditLog(dict(order), {"champion": "3"}))
        for order in itertools.permutations(tags.items())
    ]
    assert all(one == [(1, None, "1"), (2, "1", "2"), (3, "2", "3")] for one in seen)


def test_other_tags_and_damaged_lines_are_passed_over() -> None:
    tags = {
        "team": "fraud",
        "eddy.log.x": line("7"),
        key(1): line("1"),
        key(2): '{"change"',
        key(3): "{}",
    }
    log = AuditLog(tags, {"champion": "1"})
    assert told(log) == [(1, None, "1")]
