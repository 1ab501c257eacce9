"""The demo's visitor tells how long the service did not answer, also if it never answered again."""

import time

import pytest

from portal.demo.visitor import Visitor


def test_a_service_that_does_not_come_back_is_a_pause_until_the_visit_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True])
    monkeypatch.setattr(Visitor, "_answers", lambda _visitor: next(answers, False))
    with Visitor("http://127.0.0.1:1/health", every=0.01) as visitor:
        time.sleep(0.3)
    assert visitor.answered == 1
    assert visitor.longest_gap > 0.2


def test_a_service_that_always_answers_has_no_pause_to_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Visitor, "_answers", lambda _visitor: True)
    with Visitor("http://127.0.0.1:1/health", every=0.01) as visitor:
        time.sleep(0.1)
    assert visitor.in_words == f"The service answered all {visitor.asked} requests meanwhile."
