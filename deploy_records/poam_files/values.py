"""What a single field of an exception may hold: each function reads one, or refuses it with `Invalid`. Pure."""

import re
from datetime import date, datetime

from deploy_records.errors import Invalid
from deploy_records.poam_files import moments
from deploy_records.poam_files.entry import STATUSES
from deploy_records.poam_files.fields import text_of
from deploy_records.poam_files.tree import Node, Scalar
from deploy_records.rules.component import checked_component
from deploy_records.rules.digest import parse_digest, parse_repository, shown
from deploy_records.rules.terms import (
    MOST_TITLE,
    MOST_VENDOR,
    checked_owner,
    checked_service,
    checked_severity,
    checked_vulnerability,
)
from deploy_records.rules.words import checked_words
from deploy_records.scanners.report import Severity

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_B_STATUSES = {"pending": "requested", "approved": "approved", "mitigated": "mitigated", "closed": "closed"}


def version(node: Scalar) -> None:
    if not (node.plain and node.text == "1"):
        raise Invalid(f"The version {shown(node.text)} is not known. It has to be the number 1.")


def entry_id(node: Scalar) -> str:
    text = text_of(node)
    if not _ID.fullmatch(text):
        raise Invalid(f"{shown(text)} is not an id: letters, digits, dot, dash and underscore, at most 60, such as POAM-0007.")
    return text


def words(node: Node) -> str:
    return checked_words("The text", text_of(node))


def vendor(node: Node) -> str:
    return checked_words("The text", text_of(node), most=MOST_VENDOR)


def title(node: Scalar) -> str:
    return checked_words("The title", text_of(node), required=True, most=MOST_TITLE)


def day(node: Scalar) -> date:
    return moments.parse_day(node.text)


def beginning(node: Scalar) -> datetime:
    """A bare day begins at midnight UTC."""
    return moments.parse(node.text).as_beginning


def end(node: Scalar) -> datetime:
    """A bare day ends with its last second in UTC."""
    return moments.parse(node.text).as_end


def vulnerability(node: Node) -> str:
    return checked_vulnerability(text_of(node))


def component(node: Scalar) -> str:
    text = text_of(node)
    return checked_component(text) if text.strip() else ""


def severity(node: Scalar) -> Severity:
    return checked_severity(text_of(node))


def owner(node: Scalar) -> str:
    return checked_owner(text_of(node))


def repository(node: Scalar) -> str:
    text = text_of(node)
    return parse_repository(text) if text else ""


def digest(node: Scalar) -> str:
    text = text_of(node)
    return parse_digest(text) if text else ""


def service(node: Scalar) -> str:
    text = text_of(node)
    return checked_service(text) if text else ""


def status_a(node: Scalar) -> str:
    return _status(text_of(node), {one: one for one in STATUSES})


def status_b(node: Scalar) -> str:
    return _status(text_of(node), _B_STATUSES)


def _status(text: str, known: dict[str, str]) -> str:
    found = known.get(text.strip().casefold())
    if found is None:
        raise Invalid(f"{shown(text)} is not a status. Known are: {', '.join(known)}.")
    return found
