import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy_records.errors import Invalid
from deploy_records.rules.digest import (
    Reference,
    is_floating,
    parse_digest,
    parse_pinned,
    parse_reference,
    parse_repository,
    parse_tag,
    registry_of,
    shown,
)

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
NAME = "ghcr.io/owner/personal-chatbot"

any_text = st.text(max_size=700) | st.text("sha256:@/.-_0123456789abcdefABCDEF \n", max_size=600)
parts = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8})?", fullmatch=True)
names = st.lists(parts, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)


@given(any_text)
@example("\ud800")
@example("\x00")
@example("a" * 10_000)
@example("-" * 10_000)
@example("a-" * 5_000)
@example(":@/" * 3_000)
@example("@")
@example(f"@{DIGEST}")
def test_any_text_gives_a_reference_or_a_plain_refusal(text: str) -> None:
    for parse in (parse_reference, parse_pinned, parse_digest, parse_repository, parse_tag):
        try:
            parse(text)
        except Invalid as error:
            message = str(error)
            assert message.endswith("Nothing was changed.")
            assert message.isprintable(), "what is shown to a person has no character that cannot be seen"
            assert len(message) < 450


@given(any_text)
def test_what_is_taken_as_a_reference_is_safe_as_one_argument_of_a_command(text: str) -> None:
    try:
        taken = str(parse_reference(text))
    except Invalid:
        return
    assert re.fullmatch(r"[A-Za-z0-9._/:@\[\]-]+", taken)
    assert not taken.startswith("-")
    assert ".." not in taken.partition("@")[0].rpartition(":")[0] or ".." in taken.rpartition(":")[2]


@given(names, tags | st.just(""), digests | st.just(""))
def test_a_reference_put_together_comes_apart_the_same(name: str, tag: str, digest: str) -> None:
    text = name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    if re.fullmatch(r"[0-9a-f]{64}", name):
        return
    assert parse_reference(text) == Reference(parse_repository(name), tag, digest)


@settings(max_examples=50)
@given(names, tags, digests)
def test_parsing_twice_changes_nothing(name: str, tag: str, digest: str) -> None:
    once = parse_reference(f"{name}:{tag}@{digest}")
    assert parse_reference(str(once)) == once
    assert parse_pinned(once.pinned) == Reference(once.repository, "", digest)


def test_a_digest_is_taken_as_it_is() -> None:
    assert parse_digest(DIGEST) == DIGEST


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latest", "a tag can move, so pin by digest"),
        ("sha-ab12cd3", "a tag can move, so pin by digest"),
        (f"sha256:{HEX[:63]}", "63 characters after sha256:, it needs 64"),
        (f"sha256:{HEX}0", "65 characters after sha256:, it needs 64"),
        ("sha256:", "0 characters after sha256:"),
        (f"sha256:{HEX.upper()}", "upper-case letters"),
        (f"SHA256:{HEX}", "upper-case letters"),
        (HEX, "lacks sha256:"),
        (f"sha512:{HEX}{HEX}", "Only SHA-256"),
        (f"md5:{HEX[:32]}", "is not a digest"),
        (f"sha256:{HEX[:63]}g", "“g” in it"),
        (f"{NAME}@{DIGEST}", "Give only what follows the @"),
        ("", "No digest was given"),
        ("   ", "No digest was given"),
        (f" {DIGEST}", "a space at place 1"),
        (f"{DIGEST}\n", "U+000A LINE FEED at place 72"),
        (f"{DIGEST} ", "a space at place 72"),
        (f"sha256:{HEX[:10]}\u200b{HEX[10:]}", "U+200B ZERO WIDTH SPACE at place 18"),
        (f"\u202e{DIGEST}", "U+202E RIGHT-TO-LEFT OVERRIDE at place 1"),
        (f"sha256:{HEX[:32]}\x00{HEX[33:]}", "U+0000 NUL"),
        (f"sha256:\uff10{HEX[1:]}", "“\uff10” in it"),
        (f"sha256:\u0430{HEX[1:]}", "“\u0430” in it"),
        ("--privileged", "begins with a dash like an option"),
        ("-H=tcp://evil", "begins with a dash like an option"),
        ("'; rm -rf /", "a space at place 3"),
        ("$(id)", "is not a digest"),
        ("\ud800", "U+D800"),
        ("a" * 10_240, "has 10,240 characters"),
    ],
)
def test_a_text_that_is_no_digest_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=re.escape(says)) as refusal:
        parse_digest(text)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "No reference was given"),
        (f"{NAME} :1", "a space at place"),
        (f'"{NAME}"', 'has “"” in it'),
        (f"{NAME}'", "has “'” in it"),
        (f"{NAME}\n--privileged", "U+000A LINE FEED"),
        (f"{NAME};id", "has “;” in it"),
        (f"{NAME}$(id)", "has “$” in it"),
        (f"{NAME}:`id`@{DIGEST}", "is not a tag"),
        (f"{NAME}:$(id)", "is not a tag"),
        (f"{NAME}:{'t' * 129}", "is not a tag"),
        ("--privileged", "begins with a dash"),
        ("-Hunix:///x", "begins with a dash"),
        (f"ghcr.io/--privileged@{DIGEST}", "each part begins and ends with a letter or digit"),
        ("../../etc/passwd", "two dots in a row"),
        ("ghcr.io//name", "an empty part"),
        ("/name", "an empty part"),
        ("ghcr.io/Owner/Name", "upper-case letters"),
        ("https://ghcr.io/owner/name", "is a web address"),
        (DIGEST, "is a digest alone"),
        (HEX, "is an image ID or a bare digest"),
        (f"{NAME}@latest", "is not a digest"),
        (f"{NAME}@{DIGEST}@{DIGEST}", "is more than a digest"),
        (f"{NAME}@", "No digest was given"),
        (f"{NAME}:@{DIGEST}", "is not a tag"),
        (f"{NAME}@sha256:{HEX[:63]}", "63 characters"),
        (f"{NAME}\u200d@{DIGEST}", "U+200D ZERO WIDTH JOINER"),
        (f"\u2066{NAME}", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        (f"{NAME}\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("a" * 300, "has 300 characters"),
        ("x" * 10_240, "has 10,240 characters"),
    ],
)
def test_a_text_that_is_no_reference_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=re.escape(says)):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{NAME}:latest", "names the tag latest, and a tag can move"),
        (f"{NAME}:1.2.3", "Pin by digest"),
        (NAME, "names no digest"),
        ("127.0.0.1:5000/chatbot", "names no digest"),
    ],
)
def test_a_tag_where_a_digest_is_needed_is_refused(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=re.escape(says)):
        parse_pinned(text)


def test_the_tag_of_a_pinned_reference_is_kept_as_a_label() -> None:
    assert parse_pinned(f"{NAME}:1.2@{DIGEST}") == Reference(NAME, "1.2", DIGEST)


def test_a_port_is_not_taken_for_a_tag() -> None:
    assert parse_reference("127.0.0.1:5000/chatbot") == Reference("127.0.0.1:5000/chatbot")
    assert parse_reference("[::1]:5000/chatbot:1") == Reference("[::1]:5000/chatbot", "1")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("docker.io/library/redis", "redis"),
        ("index.docker.io/library/redis", "redis"),
        ("docker.io/redis", "redis"),
        ("docker.io/owner/name", "owner/name"),
        ("ghcr.io/library/redis", "ghcr.io/library/redis"),
        ("library/redis", "library/redis"),
    ],
)
def test_docker_hubs_long_names_come_back_as_engines_show_them(name: str, short: str) -> None:
    assert parse_repository(name) == short


@pytest.mark.parametrize(
    ("repository", "registry"),
    [
        ("ghcr.io/owner/name", "ghcr.io"),
        ("127.0.0.1:5000/name", "127.0.0.1:5000"),
        ("localhost/name", "localhost"),
        ("owner/name", "docker.io"),
        ("redis", "docker.io"),
    ],
)
def test_the_registry_of_a_repository(repository: str, registry: str) -> None:
    assert registry_of(repository) == registry


@pytest.mark.parametrize(("tag", "floats"), [("latest", True), ("branch-main", True), ("sha-ab12cd3", False), ("1.2.3", False)])
def test_tags_that_are_made_to_move_are_told_from_others(tag: str, floats: bool) -> None:
    assert is_floating(tag) is floats


@given(st.text(max_size=300))
def test_foreign_text_is_shown_on_one_short_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 83
