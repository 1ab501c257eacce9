from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deploy_records.rules.superseding import Standing, superseded

MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
OLD = Standing(1, MONDAY, "trivy", "Trivy", "linux/amd64", frozenset({"image"}))
NEW = replace(OLD, number=2, made_at=MONDAY + timedelta(days=1))


def test_a_newer_report_of_the_same_source_takes_the_place_of_an_older_one() -> None:
    assert superseded([OLD, NEW]) == {1}


def test_when_it_was_made_counts_and_not_when_it_came() -> None:
    handed_in_late = replace(OLD, number=3)
    assert superseded([OLD, NEW, handed_in_late]) == {1, 3}


def test_of_two_made_in_the_same_moment_the_later_import_counts() -> None:
    assert superseded([OLD, replace(OLD, number=2)]) == {1}


@pytest.mark.parametrize(
    "other",
    [{"tool": "Grype"}, {"format": "sarif"}, {"platform": "linux/arm64"}, {"platform": ""}, {"kinds": frozenset({"sbom"})}],
)
def test_a_report_of_another_source_takes_no_place(other: dict[str, object]) -> None:
    assert superseded([OLD, replace(NEW, **other)]) == frozenset()  # type: ignore[arg-type]  # a case each


def test_one_that_looked_at_less_takes_no_place_but_one_that_looked_at_more_does() -> None:
    both = replace(OLD, kinds=frozenset({"sbom", "image"}))
    assert superseded([both, NEW]) == frozenset()
    assert superseded([OLD, replace(both, number=2, made_at=NEW.made_at)]) == {1}


def test_what_a_person_chose_takes_no_place_of_what_names_the_digest_itself() -> None:
    chosen = replace(NEW, names_it=False)
    assert superseded([OLD, chosen]) == frozenset()
    assert superseded([replace(OLD, names_it=False), NEW]) == {1}


def test_of_what_a_person_chose_only_a_newer_one_of_the_same_target_takes_the_place() -> None:
    chosen = replace(OLD, names_it=False, target="requirements.txt")
    assert superseded([chosen, replace(NEW, names_it=False, target="requirements.txt")]) == {1}
    assert superseded([chosen, replace(NEW, names_it=False, target="requirements-dev.txt")]) == frozenset()


def test_nothing_has_no_history() -> None:
    assert superseded([]) == frozenset()
