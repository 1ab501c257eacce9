import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.errors import Invalid
from deploy_records.rules.component import Place, checked_component, covers, fits

BOT = Place("ghcr.io/acme/bot", frozenset({"sha256:" + "ab" * 32}), tags=("1.9.0",))


@pytest.mark.parametrize(("text", "kept"), [
    ("pkg:PyPI/Starlette@0.49.0", "pkg:pypi/starlette@0.49.0"),
    (" pkg:npm/%40acme/ui@1 ", "pkg:npm/%40acme/ui@1"),
    ("ghcr.io/acme/*", "ghcr.io/acme/*"),
])  # fmt: skip
def test_a_component_comes_back_in_its_plain_form(text: str, kept: str) -> None:
    assert checked_component(text) == kept


@pytest.mark.parametrize(("text", "why"), [
    ("", "No component is named"),
    ("   ", "No component is named"),
    ("pkg:pypi", "not a package URL"),
    ("pkg:pypi/a@1.*", "has a \\*"),
    ("pkg:pypi/a*", "has a \\*"),
    ("*", "fits almost every image"),
    ("*/*:*", "fits almost every image"),
    ("*:1.9.0", "fits almost every image"),
    ("*@sha256:*", "fits almost every image"),
    ("*/*@sha256:abc*", "fits almost every image"),
    ("*a*e*o*", "fits almost every image"),
    ("ghcr.io/acme bot", "a space"),
    ("ghcr.io/acme\u202e", "RIGHT-TO-LEFT"),
    ("a" * 501, "501 characters"),
])  # fmt: skip
def test_what_is_none_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        checked_component(text)


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=10))
def test_a_star_stands_for_any_characters(pattern: str, name: str) -> None:
    assert fits(pattern, name) is bool(re.fullmatch(pattern.replace("*", ".*"), name))


@given(st.text())
def test_any_text_is_kept_or_refused(text: str) -> None:
    try:
        kept = checked_component(text)
    except Invalid:
        return
    assert checked_component(kept) == kept


@pytest.mark.parametrize(
    "pattern",
    [
        "ghcr.io/acme/bot",
        "*/bot",
        "ghcr.io/acme/*",
        "*/bot:1.9.*",
        "ghcr.io/acme/bot:*",
        "*acme*@sha256:abab*",
        "*@sha256:" + "ab" * 32,
    ],
)
def test_a_pattern_covers_the_images_that_it_names(pattern: str) -> None:
    assert covers(checked_component(pattern), "", BOT)


@pytest.mark.parametrize("pattern", ["*sha256*", "*256:ab*", "*bot:1.8*", "ghcr.io/acme/bo", "*/acme"])
def test_a_pattern_covers_no_image_by_what_every_digest_has(pattern: str) -> None:
    assert not covers(checked_component(pattern), "", BOT)


def test_a_hostile_pattern_takes_no_time() -> None:
    begun = time.monotonic()
    assert not fits("*a" * 200 + "b", "a" * 5000)
    assert time.monotonic() - begun < 1
