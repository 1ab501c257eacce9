import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.errors import Invalid
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.reading import PoamFile, read
from deploy_records.scanners.report import Severity

A = """\
version: 1
exceptions:
  - id: POAM-0007
    cves: [CVE-2026-1000, GHSA-aaaa-bbbb-cccc]
    component: pkg:pypi/starlette
    severity: High
    justification: Not reachable.
    mitigationPlan: Take 0.49.1.
    owner: olga
    createdAt: "2026-11-01T00:00:00Z"
    expiresAt: "2026-11-30"
    status: approved
"""
B = """\
meta: {owner: security, anything: [1, 2]}
exceptions:
  - id: EXC-3
    severity: CRITICAL
    owner: olga
    created_on: 2026-11-01
    due_by: 2026-11-30
    status: pending
    remediation_plan: Take 0.49.1.
    cve: CVE-2026-1000
  - id: EXC-4
    severity: HIGH
    owner: olga
    created_on: 2026-11-01
    due_by: 2026-11-30
    status: approved
    remediation_plan: Wait.
    finding_id: B101
"""


def read_text(text: str) -> PoamFile:
    return read(text.encode())


def only(text: str) -> Entry:
    file = read_text(text)
    assert file.problems == ()
    (entry,) = file.entries
    return entry


def problems(text: str) -> list[str]:
    return [str(one) for one in read_text(text).problems]


class TestBothForms:
    def test_the_canonical_form_is_read_whole(self) -> None:
        entry = only(A)
        assert (entry.id, entry.status, entry.line) == ("POAM-0007", "approved", 3)
        assert entry.created_at == datetime(2026, 11, 1, tzinfo=UTC)
        terms = entry.terms
        assert (terms.vulnerabilities, terms.component) == (("CVE-2026-1000", "GHSA-aaaa-bbbb-cccc"), "pkg:pypi/starlette")
        assert (terms.severity, terms.owner) == (Severity.HIGH, "olga")
        assert (terms.justification, terms.remediation_plan) == ("Not reachable.", "Take 0.49.1.")

    def test_the_older_form_is_read_whole(self) -> None:
        file = read_text(B)
        assert (file.problems, file.dialect) == ((), "B")
        first, second = file.entries
        assert (first.id, first.status, first.terms.severity) == ("EXC-3", "requested", Severity.CRITICAL)
        assert first.terms.vulnerabilities == ("CVE-2026-1000",)
        assert first.created_at == datetime(2026, 11, 1, tzinfo=UTC)
        assert (second.status, second.terms.vulnerabilities, second.terms.component) == ("approved", ("B101",), "")

    def test_what_the_older_form_approves_excuses_nothing_as_it_names_no_component(self) -> None:
        assert read_text(B).entries[1].excuse().component == ""

    def test_a_bare_date_ends_with_its_day_in_utc(self) -> None:
        assert only(A).terms.expires_at == datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)

    def test_an_offset_is_reckoned_with(self) -> None:
        shifted = A.replace('"2026-11-30"', "2026-11-30T23:00:00+02:00")
        assert only(shifted).terms.expires_at == datetime(2026, 11, 30, 21, tzinfo=UTC)

    def test_scope_milestones_comments_and_approval_are_read_where_they_are_given(self) -> None:
        more = A + (
            "    repository: ghcr.io/acme/bot\n    service: chatbot\n    compensatingControls: Firewall.\n"
            "    vendorDependency: Acme\n    approvedAt: 2026-11-02T08:00:00Z\n    approvedBy: sara\n"
            "    comments: ['Looked at.']\n"
            "    milestones: [{title: Build, due: 2026-11-10, doneAt: 2026-11-09T10:00:00Z}, {title: Ship, due: 2026-11-20}]\n"
        )
        entry = only(more)
        assert (entry.terms.repository, entry.terms.service) == ("ghcr.io/acme/bot", "chatbot")
        assert (entry.approved_by, entry.comments) == ("sara", ("Looked at.",))
        assert [(one.title, one.due, bool(one.done_at)) for one in entry.terms.milestones] == [
            ("Build", date(2026, 11, 10), True), ("Ship", date(2026, 11, 20), False),
        ]  # fmt: skip

    def test_the_projects_own_file_is_valid(self) -> None:
        file = read((Path(settings.BASE_DIR) / ".security" / "poam.yaml").read_bytes())
        assert (file.problems, file.dialect) == ((), "A")

    def test_a_file_without_exceptions_is_valid(self) -> None:
        assert read_text("version: 1\nexceptions: []\n").problems == ()

    def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(self) -> None:
        assert read(b"\xef\xbb\xbf" + A.replace("\n", "\r\n").encode()).problems == ()


class TestTypes:
    @pytest.mark.parametrize(("line", "why"), [
        ("owner: NO", "“NO” without quotes is read as False"),
        ("owner: 012", "“012” without quotes is read as 10"),
        ("owner: 1:30", "is read as 90"),
        ("owner: 2026-11-01", "is read as a date"),
        ("owner: .inf", "is read as inf"),
        ("owner: ~", "owner: It has no value"),
        ("owner:", "owner: It has no value"),
        ("owner: [olga]", "owner: It has to be a single value, and it is a list"),
        ("owner: {a: b}", "it is a mapping"),
        ('owner: "a\\u202Eb"', "RIGHT-TO-LEFT OVERRIDE"),
        ('owner: "a\\0b"', "NUL"),
        ('owner: "\\uD800"', "not YAML"),
        (f"owner: {'x' * 151}", "151 characters"),
    ])  # fmt: skip
    def test_what_is_not_text_is_told_as_it_would_be_read(self, line: str, why: str) -> None:
        (problem,) = [one for one in problems(A.replace("owner: olga", line)) if "is missing" not in one][:1]
        assert problem.startswith("line 9")
        assert why in problem

    def test_the_same_words_in_quotes_are_text(self) -> None:
        for text in ("NO", "012", "~", "2026-11-01"):
            assert only(A.replace("owner: olga", f'owner: "{text}"')).terms.owner == text

    @pytest.mark.parametrize(("was", "line", "why"), [
        ("severity: High", "severity: Awful", "not a severity that can be excused"),
        ("severity: High", "severity: Unknown", "not a severity that can be excused"),
        ("status: approved", "status: pending", "not a status"),
        ("id: POAM-0007", "id: ../../etc", "not an id"),
        ("id: POAM-0007", "id: 7", "is read as 7"),
        ("version: 1", "version: 2", "version “2” is not known"),
        ("version: 1", "version: '1'", "has to be the number 1"),
        ("component: pkg:pypi/starlette", "component: '*'", "fits almost every image"),
        ("cves: [CVE-2026-1000, GHSA-aaaa-bbbb-cccc]", "cves: CVE-2026-1000", "has to be a list"),
        ("cves: [CVE-2026-1000, GHSA-aaaa-bbbb-cccc]", "cves: []", "does not say the vulnerabilities"),
        ("cves: [CVE-2026-1000, GHSA-aaaa-bbbb-cccc]", "cves: [CVE-26-1]", "not a CVE id"),
        ("cves: [CVE-2026-1000, GHSA-aaaa-bbbb-cccc]", "cves: [CVE-2026-1000, cve-2026-1000]", "twice"),
        ("cves: [CVE-2026-1000, GHSA-aaaa-bbbb-cccc]", "cves: [[CVE-2026-1000]]", "has to be text, and it is a list"),
    ])  # fmt: skip
    def test_a_wrong_value_is_refused_with_its_line(self, was: str, line: str, why: str) -> None:
        text = A.replace(was, line)
        number = text[: text.index(line)].count("\n") + 1
        found = problems(text)
        assert any(why in one and one.startswith(f"line {number}") for one in found), found


class TestDates:
    @pytest.mark.parametrize(("value", "why"), [
        ("2026-11-30T10:00:00", "names no zone"),
        ("2026-02-31", "There is no 31 February 2026"),
        ("2027-02-29", "There is no 29 February 2027"),
        ("2026-13-01", "no month 13"),
        ("9999-12-31", "The year 9999"),
        ("0001-01-01", "The year 0001"),
        ("0000-01-01", "no year 0"),
        ("2026-11-30T25:00:00Z", "no clock shows"),
        ("2026-11-30T10:00:00+99:00", "no clock shows"),
        ("30.11.2026", "not a date"),
        ("2026-11-3", "not a date"),
        ("tomorrow", "not a date"),
        ("20261130", "not a date"),
        ("2026-10-31", "It ends before it begins"),
        ("2026-11-01T00:00:00Z", "It ends before it begins"),
        ("'２０２６-11-30'", "not a date"),
    ])  # fmt: skip
    def test_a_date_that_is_none_is_refused_with_its_line(self, value: str, why: str) -> None:
        (problem,) = problems(A.replace('expiresAt: "2026-11-30"', f"expiresAt: {value}"))
        assert problem.startswith("line 11, exceptions[1].expiresAt")
        assert why in problem

    def test_the_twenty_ninth_of_february_exists_in_a_leap_year(self) -> None:
        text = A.replace("2026-11-01T", "2028-02-01T").replace("2026-11-30", "2028-02-29")
        assert only(text).terms.expires_at.day == 29

    def test_an_approval_before_its_creation_is_refused(self) -> None:
        assert any("approved before it was created" in one for one in problems(A + "    approvedAt: 2026-10-01\n"))


class TestYaml:
    def test_every_problem_is_told_at_once_with_its_line(self) -> None:
        broken = (
            A.replace("severity: High", "severity: Awful").replace("owner: olga", "owner: NO").replace("2026-11-30", "2026-11-31")
        )
        assert sorted(one.split(",")[0] for one in problems(broken)) == ["line 11", "line 6", "line 9"]

    def test_a_key_that_is_there_twice_is_refused_with_both_lines(self) -> None:
        (problem,) = problems(A + "    status: closed\n")
        assert problem == "line 13: The key “status” is here a second time; the first is in line 12."

    def test_two_entries_with_one_id_are_refused_whatever_the_zeros(self) -> None:
        second = A.split("exceptions:\n")[1].replace("POAM-0007", "poam-7")
        (problem,) = problems(A + second)
        assert problem == "line 13, exceptions[2].id: The id “poam-7” is that of the entry in line 3 already. An id is used once."

    def test_a_field_nobody_knows_is_refused_as_it_may_narrow_what_is_excused(self) -> None:
        (problem,) = problems(A + "    environment: production\n")
        assert problem.startswith("line 13, exceptions[1]: The field “environment” is not known.")

    def test_a_missing_field_is_named(self) -> None:
        (problem,) = problems(A.replace("    owner: olga\n", ""))
        assert problem == "line 3, exceptions[1]: The field owner is missing."

    @pytest.mark.parametrize(
        "tag", ["!!python/object/apply:os.system [id]", "!!python/name:os.system ''", "!!binary aGk=", "!own x"]
    )
    def test_a_tag_is_refused_and_builds_nothing(self, tag: str) -> None:
        found = problems(A.replace("owner: olga", f"owner: {tag}"))
        assert any("Tags are not read" in one and one.startswith("line 9") for one in found)

    def test_an_alias_is_refused(self) -> None:
        found = problems(
            A.replace("justification: Not", "justification: &a Not").replace("mitigationPlan: Take 0.49.1.", "mitigationPlan: *a")
        )
        assert found == ["line 8: It uses the alias *a. Aliases are not read: write the value out."]

    def test_a_billion_laughs_cost_nothing(self) -> None:
        laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
        begun = time.monotonic()
        assert any("alias" in one for one in problems("version: 1\n" + laughs))
        assert time.monotonic() - begun < 1

    def test_a_million_levels_are_refused_at_once(self) -> None:
        begun = time.monotonic()
        (problem,) = problems("version: " + "[" * 900_000)
        assert "nested deeper than 12 levels" in problem
        assert time.monotonic() - begun < 2

    @pytest.mark.parametrize(("data", "why"), [
        (b"", "It is empty"),
        (b" \n\n", "It is empty"),
        (b"# only a comment\n", "It is empty"),
        (b"x" * 1_000_001, "longer than 1,000,000 bytes"),
        (b"version: 1\n\xff\xfe", "not UTF-8: the first wrong byte is in line 2"),
        (A.encode("utf-16"), "not UTF-8"),
        (b"version: 1\n\x00", "not YAML"),
        (b"version: 1\nexceptions: [", "line"),
        (b"version: 1\nexceptions:\n\t- x", "line 3"),
        (b"- a\n- b\n", "It has to be a mapping, and it is a list"),
        (b"hello", "It has to be a mapping, and it is a single value"),
        (b"exceptions: []\n", "version: 1"),
        (b"version: 1\n", "The field exceptions is missing"),
        (b"version: 1\nexceptions:\n", "It has no value"),
        (b"version: 1\nexceptions: [1, null, [x]]\n", "has to be a mapping of fields"),
        (b"version: 1\nexceptions: []\n---\nversion: 1\nexceptions: []\n", "A second document"),
        (b"version: 1\n? [a, b]\n: c\nexceptions: []\n", "A key has to be a word"),
        (b"version: 1\n<<: {a: b}\nexceptions: []\n", "is not known"),
        (b"%YAML 9.9\n---\nversion: 1\n", "not YAML"),
    ])  # fmt: skip
    def test_what_cannot_be_used_is_refused_in_words(self, data: bytes, why: str) -> None:
        file = read(data)
        assert file.problems
        assert any(why in str(one) for one in file.problems), [str(one) for one in file.problems]

    def test_the_message_names_the_file_and_every_place(self) -> None:
        with pytest.raises(Invalid) as refusal:
            read_text(A.replace("owner: olga", "owner: NO").replace("severity: High", "severity: 1")).or_refuse("poam.yaml")
        first, *lines = str(refusal.value).split("\n")
        assert first == "poam.yaml has 2 problems; nothing of it was taken over."
        assert [line.split(":")[0] for line in lines] == [
            "poam.yaml, line 6, exceptions[1].severity", "poam.yaml, line 9, exceptions[1].owner",
        ]  # fmt: skip

    def test_the_number_of_problems_told_is_bounded(self) -> None:
        assert len(read_text("version: 1\nexceptions:\n" + "  - {}\n" * 400).problems) == 100


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=20,
)  # fmt: skip
keys = st.sampled_from(
    ["id", "cves", "component", "severity", "owner", "createdAt", "expiresAt", "status", "milestones", "due_by", "cve"]
)


@given(
    st.fixed_dictionaries(
        {}, optional={"version": anything, "meta": anything, "exceptions": st.lists(st.dictionaries(keys, anything))}
    )
)
def test_any_document_gives_entries_or_problems(data: object) -> None:
    file = read(yaml.safe_dump(data).encode())
    assert file.problems or all(entry.id for entry in file.entries)


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: ("version: 1\nexceptions:\n" + text).encode("utf-8", "surrogatepass"))
)
def test_any_bytes_give_entries_or_problems(data: bytes) -> None:
    read(data)


@given(st.integers(0, len(A) - 1), st.integers(1, 4), st.text(max_size=4))
def test_a_file_damaged_anywhere_gives_entries_or_problems(place: int, length: int, instead: str) -> None:
    file = read((A[:place] + instead + A[place + length :]).encode("utf-8", "surrogatepass"))
    assert file.problems or len(file.entries) == 1
