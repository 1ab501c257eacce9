"""Which addresses of backups are taken, which credentials go with each, and where a service's own repository lies. Pure.

restic hands some of these to other programs (ssh, rclone), where a name could be an option or a command: only forms that
cannot be are taken, and of restic's environment only what names and proves an account.
"""

import posixpath
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.rules.words import cannot_be_seen, named

MOST_URL = 500
_MOST_LINES = 20
_MOST_VALUE = 8192
_HOST = r"[A-Za-z0-9_\[][A-Za-z0-9_.:\]-]*"
_USER = r"(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?"
_BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_FORMS: dict[str, re.Pattern[str]] = {
    "s3": re.compile(rf"(?:https?://)?{_HOST}/{_BUCKET}(?:/.*)?"),
    "sftp": re.compile(rf"{_USER}[A-Za-z0-9_][A-Za-z0-9_.-]*:[^:]+|//{_USER}{_HOST}/.+"),
    "rest": re.compile(rf"https?://{_USER}{_HOST}(?:/.*)?"),
    "azure": re.compile(rf"{_BUCKET}(?::.*)?"),
    "gs": re.compile(rf"{_BUCKET}(?::.*)?"),
    "b2": re.compile(rf"{_BUCKET}(?::.*)?"),
    "swift": re.compile(rf"{_BUCKET}(?::.*)?"),
    "rclone": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*:.*"),
}
_EXAMPLES = {
    "s3": "s3:https://s3.example.org/bucket/folder",
    "sftp": "sftp:user@host:/srv/backups",
    "rest": "rest:https://backups.example.org:8000/folder",
    "azure": "azure:container:/folder",
    "gs": "gs:bucket:/folder",
    "b2": "b2:bucket:folder",
    "swift": "swift:container:/folder",
    "rclone": "rclone:remote:folder",
}
_NO_PLACES = ("/proc", "/sys", "/dev", "/boot", "/etc")
_BY_BUCKET = frozenset({"azure", "gs", "b2", "swift"})
_NAMES: dict[str, re.Pattern[str]] = {
    "s3": re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|DEFAULT_REGION|REGION)"),
    "rest": re.compile(r"RESTIC_REST_(USERNAME|PASSWORD)"),
    "azure": re.compile(r"AZURE_(ACCOUNT_NAME|ACCOUNT_KEY|ACCOUNT_SAS|ENDPOINT_SUFFIX)"),
    "gs": re.compile(r"GOOGLE_(PROJECT_ID|APPLICATION_CREDENTIALS|ACCESS_TOKEN)"),
    "b2": re.compile(r"B2_ACCOUNT_(ID|KEY)"),
    "swift": re.compile(r"(OS|ST)_[A-Z0-9_]{1,60}"),
    "rclone": re.compile(r"RCLONE_(CONFIG_PASS|BWLIMIT)"),
}
_TAKEN = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_DEFAULT_REGION",
    "rest": "RESTIC_REST_USERNAME, RESTIC_REST_PASSWORD",
    "azure": "AZURE_ACCOUNT_NAME, AZURE_ACCOUNT_KEY, AZURE_ACCOUNT_SAS, AZURE_ENDPOINT_SUFFIX",
    "gs": "GOOGLE_PROJECT_ID, GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_ACCESS_TOKEN",
    "b2": "B2_ACCOUNT_ID, B2_ACCOUNT_KEY",
    "swift": "those that begin with OS_ or ST_",
    "rclone": "RCLONE_CONFIG_PASS, RCLONE_BWLIMIT; the remote itself is set up on the worker",
}


def scheme_of(url: str) -> str:
    """s3, sftp, … or nothing for a folder."""
    return "" if url.startswith("/") else url.partition(":")[0]


def checked_url(text: str) -> str:
    """The address as it is kept, or `Invalid`. A folder loses its last slash."""
    url = text.strip()
    _check_characters(url)
    if url.startswith("/"):
        return _folder(url)
    scheme, colon, rest = url.partition(":")
    form = _FORMS.get(scheme)
    if not colon or form is None:
        kinds = ", ".join(f"{known}:" for known in _FORMS)
        raise Invalid(f"{_shown(url)} is neither a folder (/srv/backups) nor an address with {kinds}. Nothing was changed.")
    if has_password(url):
        words = "The address holds a password, and addresses are shown. Put it into the credentials. Nothing was changed."
        raise Invalid(words, code="password-in-url")
    if not form.fullmatch(rest) or ".." in rest.split("/") or "?" in rest or "#" in rest:
        raise Invalid(f"{_shown(url)} is not an address of that kind. One looks like {_EXAMPLES[scheme]}. Nothing was changed.")
    return url


def _check_characters(url: str) -> None:
    if not url or len(url) > MOST_URL:
        raise Invalid(f"An address has 1 to {MOST_URL} characters. Nothing was changed.")
    bad = next((character for character in url if cannot_be_seen(character)), "")
    if bad:
        raise Invalid(f"The address has a character that cannot be seen, {named(bad)}. Nothing was changed.")


def _folder(url: str) -> str:
    path = posixpath.normpath(url)
    if path != (url.rstrip("/") or "/") or path.count("/") < 2 or url.startswith("//"):  # noqa: PLR2004 - no folder of the root
        words = "A folder is written whole, without . and .., and below another: /srv/backups."
        raise Invalid(f"{_shown(url)} cannot be taken. {words} Nothing was changed.")
    if any(within(path, one) for one in _NO_PLACES):
        raise Invalid(f"{_shown(url)} belongs to the operating system. Choose another folder: /srv/backups. Nothing was changed.")
    return path


def has_password(url: str) -> bool:
    """`user:secret@host`, after two slashes or at the beginning of what follows the kind."""
    rest = "" if url.startswith("/") else url.partition(":")[2]
    authority = urlsplit(f"//{rest.partition('//')[2] or rest}", allow_fragments=False).netloc
    return "@" in authority and ":" in authority.rpartition("@")[0]


def _shown(url: str) -> str:
    """Somebody's password may be in there after all."""
    return shown(re.sub(r"//[^/@]*@", "//…@", url))


def credentials_of(text: str, url: str) -> dict[str, str]:
    """KEY=VALUE a line. `Invalid` tells of names only, never of a value."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        raise Invalid(f"At most {_MOST_LINES} lines of credentials are kept. Nothing was changed.")
    return dict(_credential(line, number, scheme_of(url)) for number, line in enumerate(lines, start=1))


def _credential(line: str, number: int, scheme: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not value:
        raise Invalid(f"Line {number} of the credentials is not KEY=VALUE. Nothing was changed.")
    allowed = _NAMES.get(scheme)
    if allowed is None:
        where = "A folder takes" if not scheme else "sftp takes"
        why = "" if not scheme else "; the key of ssh is set up on the worker"
        raise Invalid(f"{where} no credentials{why}. Nothing was changed.")
    if not allowed.fullmatch(name):
        label = shown(name) if re.fullmatch(r"[A-Z][A-Z0-9_]{0,60}", name) else f"The name on line {number}"
        raise Invalid(f"{label} is not taken for {scheme}; taken are {_TAKEN[scheme]}. Nothing was changed.")
    if len(value) > _MOST_VALUE or not value.isprintable():
        raise Invalid(f"The value of {name} is too long or has characters that cannot be seen. Nothing was changed.")
    return name, value


def in_lines(credentials: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in credentials.items())


def below(url: str, *names: str) -> str:
    """The address of a repository below that place: each service has one of its own."""
    base = url.rstrip("/")
    scheme, _colon, rest = base.partition(":")
    if scheme in _BY_BUCKET and ":" not in rest:
        base = f"{base}:"
    return "/".join((base, *names)) if not base.endswith(":") else base + "/".join(names)


def within(inner: str, outer: str) -> bool:
    """Whether one folder is the other or lies in it."""
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
