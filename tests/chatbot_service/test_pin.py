"""The pin: one scalar changes in the text, nothing else; what can't be changed safely is refused."""

import difflib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot_service.jobs.pin import pinned_reference, with_pin
from deploy_records.errors import Invalid, Refused

DIGEST = f"sha256:{'a' * 64}"
NEW = f"ghcr.io/acme/chatbot:sha-1@{DIGEST}"
OTHER = f"ghcr.io/acme/chatbot@sha256:{'b' * 64}"


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_only_the_image_of_that_service_changes_and_comments_stay() -> None:
    before = (
        "# production\n"
        "services:\n"
        "  db:\n"
        "    image: postgres:15  # not ours\n"
        "  chatbot:   # ours\n"
        "    image: 'ghcr.io/acme/chatbot:old'   # the pin\n"
        "    ports: ['8000:8000']\n"
    )
    assert changed_lines(before, with_pin(before, "chatbot", NEW)) == [
        "-     image: 'ghcr.io/acme/chatbot:old'   # the pin",
        f"+     image: '{NEW}'   # the pin",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"services:\n  app:\n    image: {NEW}\n"),
        ("", f"services:\n  app:\n    image: {NEW}\n"),
        ("# none yet", f"# none yet\nservices:\n  app:\n    image: {NEW}\n"),
        ("---\n", f"---\nservices:\n  app:\n    image: {NEW}\n"),
        ("services:\n", f"services:\n  app:\n    image: {NEW}\n"),
        ("services: {}\n", f'services: {{app: {{image: "{NEW}"}}}}\n'),
        ("services: {app: {ports: []}}\n", f'services: {{app: {{image: "{NEW}", ports: []}}}}\n'),
        ("services:\n  app:\n", f"services:\n  app:\n    image: {NEW}\n"),
        ("services:\n  app:\n    image:\n    init: true\n", f"services:\n  app:\n    image: {NEW}\n    init: true\n"),
        ("services:\n  app:\n    image: |-\n", None),
        (
            "services:\n  app:\n    init: true # so\n\n# end\n",
            f"services:\n  app:\n    init: true # so\n    image: {NEW}\n\n# end\n",
        ),
        ("services:\n    db: {}\nvolumes: {}\n", f"services:\n    db: {{}}\n    app:\n      image: {NEW}\nvolumes: {{}}\n"),
        ("services:\n  app:\n    a:\n    - b\n  c: {}\n", f"services:\n  app:\n    a:\n    - b\n    image: {NEW}\n  c: {{}}\n"),
        ("volumes: {}", f"volumes: {{}}\nservices:\n  app:\n    image: {NEW}\n"),
        ("services:\r\n  app:\r\n    init: true\r\n", f"services:\r\n  app:\r\n    init: true\r\n    image: {NEW}\r\n"),
        ("\ufeffservices:\n  app:\n    image: x\n", f"\ufeffservices:\n  app:\n    image: {NEW}\n"),
        (
            "services:\n  app:\n    ports: !override []\n    image: x\n",
            f"services:\n  app:\n    ports: !override []\n    image: {NEW}\n",
        ),
    ],
)
def test_what_is_missing_is_added_in_the_layout_that_is_there(before: str | None, after: str | None) -> None:
    if after is None:
        with pytest.raises(Refused):
            with_pin(before, "app", NEW)
        return
    assert with_pin(before, "app", NEW) == after
    assert pinned_reference(after, "app") == NEW


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("services:\n  app:\n    image: &i x\n", "anchor"),
        ("x: &i y\nservices:\n  app:\n    image: *i\n", "alias"),
        ("services:\n  app:\n    image: !!str x\n", "tag"),
        ("x: &a {}\nservices:\n  app: *a\n", "not a plain mapping"),
        ("x: &a {}\nservices:\n  app:\n    <<: *a\n    image: x\n", "merge key"),
        ("services:\n  app: &a\n    image: x\n  other:\n    <<: *a\n", "used elsewhere"),
        ("services:\n  app:\n    image: x\n    image: y\n", "twice"),
        ("services:\n  app: {}\n  app: {}\n", "twice"),
        ("services: !override\n  app:\n    image: x\n", "not a plain mapping"),
        ("services: [app]\n", "not a plain mapping"),
        ("services:\n  app: nginx\n", "not a plain mapping"),
        ("- a\n", "top level"),
        ("a: b\n---\nc: d\n", "several YAML documents"),
        ("services:\n  app:\n    image: >\n      x\n", "block of lines"),
        ("services:\n  app:\n\timage: x\n", "not valid YAML (line 3)"),
        ("services: {app: {image: x}\n", "not valid YAML"),
        ("services:\n  app:\n    image: a\x00b\n", "not valid YAML"),
        ("services:\n  app:\n    image: x\n" + "#" * 1_000_001, "larger than 1 MB"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused_with_the_reason(before: str, why: str) -> None:
    with pytest.raises(Refused, match="The pin file cannot be changed safely") as refused:
        with_pin(before, "app", NEW)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "reference", ["ghcr.io/acme/chatbot:1", "", "x@sha256:12", f"a b@{DIGEST}", f"-H@{DIGEST}", f"x@{DIGEST}\n"]
)
def test_a_reference_without_a_digest_is_never_written(reference: str) -> None:
    with pytest.raises(Invalid):
        with_pin(None, "app", reference)


@pytest.mark.parametrize("service", ["", "-x", "a b", "a\nb", "a: b", "../x"])
def test_a_service_name_that_is_none_is_refused(service: str) -> None:
    with pytest.raises(Invalid):
        with_pin(None, service, NEW)


@pytest.mark.parametrize("service", ["true", "null", "1.0", "no", "0x1", "on", "1e3"])
def test_a_service_named_like_a_yaml_value_stays_a_name(service: str) -> None:
    assert yaml.safe_load(with_pin(None, service, NEW)) == {"services": {service: {"image": NEW}}}


def test_a_registry_by_ipv6_address_is_quoted() -> None:
    reference = f"[::1]:5000/chatbot@{DIGEST}"
    assert pinned_reference(with_pin(None, "app", reference), "app") == reference


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "services:\n", "services:\n  app:\n    image:\n", "services:\n  db: {image: x}\n"]
)
def test_no_pin_is_no_reference(text: str) -> None:
    assert pinned_reference(text, "app") is None


def test_aliases_that_multiply_are_no_trouble() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert pinned_reference(with_pin(bomb, "app", NEW), "app") == NEW


NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 99), st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
)
SERVICES = st.dictionaries(NAMES, VALUES, max_size=3)


@st.composite
def compose_files(draw: st.DrawFn) -> str:
    """A file as people write them: any layout, comments between, the service there or not, with an image or not."""
    project: dict[str, Any] = draw(st.dictionaries(NAMES.filter(lambda n: n != "services"), VALUES, max_size=2))
    if draw(st.booleans()):
        project["services"] = {n: {"command": v} for n, v in draw(SERVICES).items() if n != "app"}
        if draw(st.booleans()):
            own: dict[str, Any] = {"image": draw(st.sampled_from(["old", OTHER, "1.0"]))} if draw(st.booleans()) else {}
            project["services"]["app"] = own | draw(st.dictionaries(NAMES.filter(lambda n: n != "image"), VALUES, max_size=2))
    text = yaml.safe_dump(
        project, indent=draw(st.integers(2, 6)), sort_keys=draw(st.booleans()), allow_unicode=True, width=1000,
        default_flow_style=draw(st.sampled_from([False, None, True])), default_style=draw(st.sampled_from([None, '"', "'"])),
    )  # fmt: skip
    if draw(st.booleans()) and not any(sign in text for sign in "|>\"'"):
        text = "".join(f"{line}   # {draw(st.sampled_from(['why', 'image: no', '{']))}\n" for line in text.splitlines())
    return text if draw(st.booleans()) else text.rstrip("\n")


@given(compose_files())
@settings(deadline=None)
def test_whatever_the_file_only_that_image_changes(before: str) -> None:
    after = with_pin(before, "app", NEW)
    expected = yaml.safe_load(before) or {}
    expected.setdefault("services", {})
    expected["services"] = (expected["services"] or {}) | {
        "app": ((expected["services"] or {}).get("app") or {}) | {"image": NEW}
    }
    assert yaml.safe_load(after) == expected
    assert before.count("#") == after.count("#")


@given(compose_files())
@settings(deadline=None)
def test_the_old_pin_written_again_restores_the_image(before: str) -> None:
    first = with_pin(before, "app", OTHER)
    assert with_pin(with_pin(first, "app", NEW), "app", OTHER) == first


@given(st.text(alphabet="services: app\n-&*!<>|{}[]'\"#,image~?@\t", max_size=60))
@settings(deadline=None)
def test_any_text_is_changed_safely_or_refused_in_words(text: str) -> None:
    assert pinned_or_refused(text) in {NEW, "Nothing was changed."}


def pinned_or_refused(text: str) -> str | None:
    try:
        return pinned_reference(with_pin(text, "app", NEW), "app")
    except Refused as refused:
        return str(refused)[-len("Nothing was changed.") :]
