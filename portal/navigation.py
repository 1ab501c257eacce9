"""The side bar as data: which pages there are, in the order of the questions people come with."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from deploy_records.people import holds


@dataclass(frozen=True)
class Entry:
    word: str
    icon: str
    url_name: str
    permission: str = ""
    """Whoever holds it sees the entry; empty: everybody who is signed in."""
    key: str = ""
    """The letter that follows `g`."""


@dataclass(frozen=True)
class Group:
    word: str
    entries: tuple[Entry, ...]


TOP = Group("", (Entry("Dashboard", "layout-dashboard", "dashboard", key="d"),))
RUN = Group(
    "Run",
    (
        Entry("Services", "box", "services", "chatbot_service.view_service", key="s"),
        Entry("Signals", "alert-triangle", "signals", "chatbot_service.view_signal", key="i"),
        Entry("Jobs", "player-play", "jobs", "chatbot_service.view_job", key="j"),
        Entry("Health", "activity-heartbeat", "health", "chatbot_service.view_service", key="h"),
    ),
)
DECIDE = Group(
    "Decide",
    (
        Entry("Ledger", "fingerprint", "ledger", "deploy_records.view_imagedigest", key="l"),
        Entry("Scans", "file-search", "scans", "deploy_records.view_scanreport", key="c"),
        Entry("POA&M", "shield-half", "poam", "deploy_records.view_poamitem", key="p"),
        Entry("Gate policy", "gavel", "policy", "deploy_records.view_gatepolicy", key="g"),
    ),
)
PROVE = Group(
    "Prove",
    (
        Entry("Deployments", "stack-2", "deployments", "deploy_records.view_deployment"),
        Entry("Audit trail", "link", "audit", "deploy_records.view_auditevent", key="a"),
    ),
)
SET_UP = Group(
    "Set up",
    (
        Entry("Hosts", "server", "hosts", "chatbot_service.view_host"),
        Entry("Registries", "key", "registries", "chatbot_service.change_registrylogin"),
        Entry("Backup repositories", "archive", "backup-repositories", "chatbot_service.change_backuprepository"),
        Entry("Notifications", "plug-connected", "notifications", "chatbot_service.change_channel"),
        Entry("Users", "users", "users", "auth.view_user"),
    ),
)
GROUPS = (TOP, RUN, DECIDE, PROVE)


@dataclass(frozen=True)
class TrustLine:
    """One line of the trust foot: what can be relied on right now."""

    tone: str
    words: str
    url: str = ""


@dataclass(frozen=True)
class Link:
    word: str
    icon: str
    url: str
    key: str
    current: bool
    count: int
    """How many matters there need the person who looks; never how many there are."""


@dataclass(frozen=True)
class LinkGroup:
    word: str
    links: tuple[Link, ...]


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _is_current(url: str, path: str) -> bool:
    return path == url or (url != "/" and path.startswith(url))


def links(group: Group, request: HttpRequest, counts: Mapping[str, int]) -> LinkGroup:
    """What the person may see of a group. An entry whose page does not exist is left out; a test finds it."""
    seen = (e for e in group.entries if not e.permission or holds(request.user, e.permission))
    reached = ((entry, url) for entry in seen if (url := _url(entry.url_name)))
    return LinkGroup(
        group.word,
        tuple(Link(e.word, e.icon, url, e.key, _is_current(url, request.path), counts.get(e.url_name, 0)) for e, url in reached),
    )
