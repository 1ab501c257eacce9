"""What is in a backup, folder by folder, and how it differs from what is there now. Workers look; pages show what they found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from stat import filemode
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from chatbot_service import backup_starting
from chatbot_service.foreign_text import cut, neutral
from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.models import Backup, Job, JobState, Kind
from deploy_records.errors import Invalid, Refused
from deploy_records.people import holds
from portal.access import needs
from portal.htmx import STOP_POLLING, wants_fragment
from portal.pages import backup_rows as rows
from portal.pages.asking import asks, told
from portal.sentences.backups import refuses_restore

MOST_PATH = 4096
MOST_NAME = 300
_TYPES = {
    "dir": ("Folder", "archive"), "file": ("File", "file-text"), "symlink": ("Link", "link"), "fifo": ("Pipe", "arrow-right"),
    "socket": ("Socket", "plug-connected"), "dev": ("Device", "device-desktop"), "chardev": ("Device", "device-desktop"),
}  # fmt: skip
_KIND_BITS = {"dir": 0o040000, "symlink": 0o120000, "fifo": 0o010000, "socket": 0o140000, "dev": 0o060000, "chardev": 0o020000}


@dataclass(frozen=True)
class Entry:
    """One entry of a folder. `path`: empty where the name holds what an address or a form cannot carry unchanged."""

    name: str
    path: str
    kind: str
    icon: str
    is_folder: bool
    size: int | None
    mtime: datetime | None
    mode: str
    owner: str

    @property
    def can_be_chosen(self) -> bool:
        return bool(self.path)


@dataclass(frozen=True)
class Crumb:
    word: str
    path: str


@dataclass(frozen=True)
class Look:
    """How far a look into a backup is. `job`: that which is under way, or failed; nothing once there is a result."""

    result: Mapping[str, Any] | None
    found_by: Job | None
    job: Job | None

    @property
    def is_under_way(self) -> bool:
        return self.job is not None and self.job.is_active


@require_http_methods(["GET", "POST"])
@needs(rows.LOOK, rows.TO_READ)
def files(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, pk, compare=False)


@require_http_methods(["GET", "POST"])
@needs(rows.LOOK, rows.TO_READ)
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, pk, compare=True)


def _page(request: HttpRequest, pk: int, *, compare: bool) -> HttpResponse:
    backup = rows.backup_or_404(pk)
    path = checked_path(_given(request).get("path", ""), backup)
    here = reverse("backup-compare" if compare else "backup-files", args=[pk], query={"path": path} if path else {})
    refusal, status = "", 200
    if request.method == "POST":
        try:
            backup_starting.browse(backup, path, asks(request), compare=compare)
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            if not wants_fragment(request):
                return redirect(here)
    look = _look(backup, path, compare=compare)
    context = {
        **_context(request, backup, path, look, compare=compare),
        "here": here,
        "refusal": refusal,
    }
    if not wants_fragment(request):
        page = "backups/compare.html" if compare else "backups/files.html"
        return render(request, page, {**context, **rows.frame(rows.row_or_404(backup.service_id))}, status=status)
    polled = request.method == "GET" and not look.is_under_way
    fragment = "backups/_compared.html" if compare else "backups/_files.html"
    # A refusal is shown in place; htmx leaves answers of other kinds alone.
    return render(request, fragment, context, status=STOP_POLLING if polled else 200)


def _given(request: HttpRequest) -> QueryDict:
    return request.POST if request.method == "POST" else request.GET


def checked_path(text: str, backup: Backup) -> str:
    """A path within what the backup holds, without a slash at its end; empty: all of it."""
    path = text.rstrip("/")
    if not path:
        return ""
    parts = path.split("/")
    is_plain = path.startswith("/") and "\0" not in path and not {".", ".."}.intersection(parts) and "" not in parts[1:]
    if not is_plain or len(path) > MOST_PATH or not any(path == one or path.startswith(f"{one}/") for one in backup.paths):
        held = ", ".join(backup.paths) or "nothing"
        raise Invalid(f"That path is not in {backup}. It holds {cut(held, MOST_NAME)}. Nothing was read.")
    return path


def _look(backup: Backup, path: str, *, compare: bool) -> Look:
    """The newest result, and what has been asked for since."""
    asked = Job.objects.filter(service=backup.service_id, kind=Kind.BROWSE, asked__backup=backup.pk, asked__path=path)
    asked = asked.filter(asked__compare=compare)
    last = asked.first()
    found = last if last is None or last.state == JobState.SUCCEEDED else asked.filter(state=JobState.SUCCEEDED).first()
    return Look(found.result if found else None, found, last if last is not found else None)


def _context(request: HttpRequest, backup: Backup, path: str, look: Look, *, compare: bool) -> dict[str, Any]:
    return {
        "backup": backup,
        "service": backup.service,
        "path": path,
        "crumbs": _crumbs(path, backup),
        "look": look,
        "entries": _roots(backup) if not path and not compare else _entries(look.result, path),
        "more": int((look.result or {}).get("more", 0)) if path else 0,
        "is_root": not path,
        "compared": _compared(look.result) if compare else None,
        "may_look": holds(request.user, KINDS[Kind.BROWSE].permission),
        "may_restore": holds(request.user, rows.MAY_RESTORE),
        "may_download": holds(request.user, rows.MAY_DOWNLOAD),
        "refuses": refuses_restore(backup),
    }


def _crumbs(path: str, backup: Backup) -> Sequence[Crumb]:
    """From the data path that holds it down to the folder itself."""
    root = max((one for one in backup.paths if path == one or path.startswith(f"{one}/")), key=len, default="")
    if not root:
        return ()
    found = [Crumb(root, root)]
    for part in path[len(root) :].split("/")[1:]:
        found.append(Crumb(_name(part), f"{found[-1].path}/{part}"))
    return found


def _roots(backup: Backup) -> Sequence[Entry]:
    """What the backup holds is known without looking."""
    return [Entry(one, one, "Folder", "archive", True, None, None, "", "") for one in backup.paths]


def _entries(result: Mapping[str, Any] | None, path: str) -> Sequence[Entry]:
    found = [_entry(one, path) for one in (result or {}).get("entries", ())]
    return sorted(found, key=lambda one: (not one.is_folder, one.name.casefold()))


def _entry(found: Mapping[str, Any], folder: str) -> Entry:
    name, kind = str(found.get("name", "")), str(found.get("type", ""))
    word, icon = _TYPES.get(kind, ("Other", "circle-minus"))
    return Entry(
        name=_name(name),
        path=f"{folder}/{name}" if _can_be_carried(name) else "",
        kind=word,
        icon=icon,
        is_folder=kind == "dir",
        size=int(found.get("size") or 0) if kind == "file" else None,
        mtime=_moment(found.get("mtime")),
        mode=filemode(_KIND_BITS.get(kind, 0o100000) | int(found.get("mode") or 0)),
        owner=f"{found.get('uid', '')}:{found.get('gid', '')}",
    )


def _name(text: str) -> str:
    """As it can be shown: what steers or hides is replaced, also line ends."""
    return cut(neutral(text).replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\t", " "), MOST_NAME)


def _can_be_carried(name: str) -> bool:
    """Browsers change line ends in forms, and U+FFFD stands for bytes that nobody knows any more."""
    return bool(name) and not any(character < " " or character == "\N{REPLACEMENT CHARACTER}" for character in name)


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)) if isinstance(value, str) else datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type]  # else a TypeError
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Difference:
    path: str
    what: str


@dataclass(frozen=True)
class Compared:
    new: int
    gone: int
    changed: int
    same: int
    examples: Sequence[Difference]

    @property
    def differ(self) -> int:
        return self.new + self.gone + self.changed


def _split(example: str) -> tuple[str, str]:
    path, _colon, what = example.rpartition(": ")
    return _name(path), _name(what)


def _compared(result: Mapping[str, Any] | None) -> Compared | None:
    if result is None:
        return None
    examples = [Difference(*_split(str(one))) for one in result.get("examples", ())]
    numbers = {name: int(result.get(name, 0)) for name in ("new", "gone", "changed", "same")}
    return Compared(**numbers, examples=examples)
