import ast
from pathlib import Path

import pytest

from deploy_records.models import AuditEvent
from portal import event_words
from portal.event_words import changes, told

ROOT = Path(__file__).parent.parent.parent
REFERENCE = "registry.test/acme/bot@sha256:" + "a" * 64


def event(action: str, **fields: object) -> AuditEvent:
    return AuditEvent(action=action, actor="olga", **fields)


NO_DEED = (".", ".json", ".xlsx", ".yaml")
"""What begins like an event and is none: the beginning of one, and names of files."""


def actions_in(folder: Path) -> set[str]:
    """Every constant `area.deed` that is handed to `Event` or to a function that takes an action."""
    areas = (
        "approval.", "backup.", "channel.", "deployment.", "digest.", "job.", "person.", "poam.", "registry.", "rehearsal.",
        "repository.",
        "restore.", "service.", "signal.",
    )  # fmt: skip
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                found |= {word for word in words if word.startswith(areas) and " " not in word and not word.endswith(NO_DEED)}
    return found


def test_every_event_that_the_record_writes_has_words() -> None:
    written = actions_in(ROOT / "deploy_records") | actions_in(ROOT / "chatbot_service")
    assert written - set(event_words._DEEDS) == set()


def test_an_action_nobody_has_words_for_is_still_told() -> None:
    assert told(event("backup.kept_for-ever")).deed == "Backup: kept for ever"


def test_a_digest_is_told_by_its_digest_and_anything_else_by_its_name() -> None:
    digest = told(event("digest.revoked", object_type="imagedigest", object_name=REFERENCE))
    assert (digest.digest, digest.about, digest.tone) == ("sha256:" + "a" * 64, "", "stop")
    other = told(event("job.asked", object_type="job", object_name="Upgrade 7"))
    assert (other.digest, other.about) == ("", "Upgrade 7")
    damaged = told(event("digest.revoked", object_type="imagedigest", object_name="cut off@sha"))
    assert (damaged.digest, damaged.about) == ("", "cut off@sha")


def test_a_deployment_is_told_with_what_runs_from_then_on() -> None:
    began = event(
        "deployment.began", object_type="deployment", object_name="bot on prod-1", changes={"digest": [None, "sha256:b"]}
    )
    assert (told(began).about, told(began).digest) == ("bot on prod-1", "sha256:b")


def test_a_part_of_the_portal_is_not_taken_for_a_person() -> None:
    assert told(AuditEvent(action="job.started", actor="worker")).by == "a worker"
    assert told(AuditEvent(action="digest.approved", actor="ruth")).by == ""


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        ([None, "candidate"], None, "candidate"),
        (["candidate", "approved"], "candidate", "approved"),
        ([[], ["v1", "v2"]], None, "v1, v2"),
        ([False, True], "no", "yes"),
        ("asked for", None, "asked for"),
        (["a", "b", "c"], None, "a, b, c"),
        ({"key": 1}, None, "key: 1"),
        ("", None, None),
    ],
)
def test_a_change_is_shown_before_and_after(value: object, before: str | None, after: str | None) -> None:
    (change,) = changes(event("x.y", changes={"field": value}))
    assert (change.before, change.after) == (before, after)
