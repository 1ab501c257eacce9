"""What is run with restic, as data, and the place it is run on. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy_records.errors import Broken, Refused

CREDENTIALS = frozenset(
    {
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"),
        *("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD", "B2_ACCOUNT_ID", "B2_ACCOUNT_KEY"),
        *("AZURE_ACCOUNT_NAME", "AZURE_ACCOUNT_KEY", "AZURE_ACCOUNT_SAS", "AZURE_ENDPOINT_SUFFIX"),
        *("OS_AUTH_URL", "OS_REGION_NAME", "OS_USERNAME", "OS_USER_ID", "OS_PASSWORD", "OS_TENANT_ID", "OS_TENANT_NAME"),
        *("OS_USER_DOMAIN_NAME", "OS_PROJECT_NAME", "OS_PROJECT_DOMAIN_NAME", "OS_TRUST_ID"),
        *("OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME", "OS_APPLICATION_CREDENTIAL_SECRET"),
        *("ST_AUTH", "ST_USER", "ST_KEY", "GOOGLE_PROJECT_ID", "GOOGLE_ACCESS_TOKEN", "RCLONE_CONFIG_PASS"),
    }
)
"""What a place may need. Others are refused: with some, restic or what it starts would run commands of somebody's choice."""

EXCLUDED = ".known-good-*"
RETRY_LOCK = ("--retry-lock", "30s")
NO_LOCK = ("--no-lock",)
_KEPT = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
_PACK = re.compile(r"[0-9a-f]{64}")
_SHARE = re.compile(r"\d{1,3}(?:\.\d{1,6})?%|\d{1,9}[KMGT]|\d{1,6}/\d{1,6}")
_SCHEME = re.compile(r"(?:local|sftp|rest|s3|b2|azure|gs|swift|rclone):")
# ssh and rclone would take it for one of their options.
_LIKE_AN_OPTION = re.compile(r"(?:sftp|rclone):(?:.*[/@:])?-", re.DOTALL)
_SPECIAL = re.compile(r"([\\*?\[])")


@dataclass(frozen=True)
class Place:
    """Where one service's repository is, and what opens it. Never shown whole."""

    url: str = field(repr=False)
    password: str = field(repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path | None:
        """Of a repository on this host."""
        path = self.url.removeprefix("local:")
        return Path(path) if path.startswith("/") else None

    @property
    def shown(self) -> str:
        """The address without a password in it."""
        return self.hide(self.url)

    def hide(self, text: str) -> str:
        """Takes the password and all credentials out of a text."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    def _secrets(self) -> set[str]:
        address = _password_in(self.url)
        found = {self.password, *self.credentials.values(), address, unquote(address)}
        return {secret for secret in found if len(secret) >= 4}  # noqa: PLR2004 - shorter ones would make holes in any text


def _password_in(url: str) -> str:
    try:
        return urlsplit(url if "://" not in url else url.partition(":")[2] if _SCHEME.match(url) else url).password or ""
    except ValueError:
        return ""


def checked(place: Place) -> Place:
    """`Refused` unless it is one that restic can be given without harm."""
    if not place.folder and not _SCHEME.match(place.url):
        raise Refused("The address of the backup repository is none that restic knows: /folder, sftp:…, rest:…, s3:… and so on.")
    if _LIKE_AN_OPTION.match(place.url) or "\n" in place.url or "\0" in place.url:
        raise Refused("The address of the backup repository has a part that begins with - or holds a line break.")
    strange = sorted(set(place.credentials) - CREDENTIALS)
    if strange:
        raise Refused(f"{', '.join(strange)} cannot be given to restic. Known are: {', '.join(sorted(CREDENTIALS))}.")
    return place


def environment(place: Place, cache: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the worker's own settings and secrets."""
    fixed = {
        "RESTIC_REPOSITORY": place.url,
        "RESTIC_PASSWORD": place.password,
        "RESTIC_CACHE_DIR": str(cache),
        "RESTIC_PROGRESS_FPS": "2",
        "LANG": "C",
    }
    return {key: outside[key] for key in _KEPT if key in outside} | dict(place.credentials) | fixed


# Commands


def general_argv(place: Place) -> list[str]:
    """Options that every command takes. A question asked by ssh would never be answered."""
    return ["-o", "sftp.args=-o BatchMode=yes -o ConnectTimeout=15"] if place.url.startswith("sftp:") else []


def config_argv() -> list[str]:
    return ["cat", "config"]


def init_argv() -> list[str]:
    return ["init"]


def backup_argv(host: str, paths: Sequence[str], tags: Sequence[str]) -> list[str]:
    tagged = [part for tag in tags for part in ("--tag", tag)]
    grouped = ["--group-by", "host,paths"]
    return ["backup", "--json", "--host", host, *grouped, *tagged, "--exclude", EXCLUDED, "--", *map(_absolute, paths)]


def snapshots_argv(snapshot: str = "") -> list[str]:
    return ["snapshots", "--json", *([_snapshot(snapshot)] if snapshot else [])]


def check_argv(share: str) -> list[str]:
    """Without a lock of restic's own: that would have to wait for every download."""
    if share and not _SHARE.fullmatch(share):
        raise Broken(f"{share!r} is no share of the data such as 5%, 1G or 100%.")
    read = ["--read-data"] if share == "100%" else [f"--read-data-subset={share}"] if share else []
    return ["check", "--json", "--no-lock", *read]


def packs_argv() -> list[str]:
    return ["list", "packs", "--no-lock"]


def find_argv(packs: Sequence[str]) -> list[str]:
    """Not from the cache: what is damaged there may be whole here."""
    return ["find", "--json", "--no-cache", "--pack", *map(_pack, packs)]


def find_blobs_argv(blobs: Sequence[str]) -> list[str]:
    return ["find", "--json", "--no-cache", "--blob", *map(_pack, blobs)]


def indexes_argv() -> list[str]:
    return ["list", "index", "--no-lock"]


def index_argv(index: str) -> list[str]:
    return ["cat", "--no-lock", "index", _pack(index)]


def repair_packs_argv(packs: Sequence[str]) -> list[str]:
    """Leaves copies of them in the folder that it is run in."""
    return ["repair", "packs", *map(_pack, packs)]


def repair_index_argv() -> list[str]:
    return ["repair", "index"]


def pieces_argv(snapshot: str) -> list[str]:
    """Looks each piece of a snapshot up in the index; fails if one is missing."""
    return ["stats", "--no-lock", "--json", "--mode", "raw-data", _snapshot(snapshot)]


def ls_argv(snapshot: str, folder: str = "", *, deep: bool = True) -> list[str]:
    within = [*(["--recursive"] if deep else []), _snapshot(snapshot), _absolute(folder)] if folder else [_snapshot(snapshot)]
    return ["ls", "--json", *within]


def dump_argv(snapshot: str, path: str) -> list[str]:
    return ["dump", "--archive", "tar", _snapshot(snapshot), _absolute(path)]


def restore_argv(snapshot: str, paths: Sequence[str], into: str) -> list[str]:
    chosen = [f"--include={literally(_absolute(path))}" for path in paths]
    return ["restore", "--json", "--sparse", "--verify", f"--target={_absolute(into)}", *chosen, _snapshot(snapshot)]


def forget_argv(snapshots: Sequence[str]) -> list[str]:
    return ["forget", "--prune", *map(_snapshot, snapshots)]


def unlock_argv(*, everybody: bool = False) -> list[str]:
    return ["unlock", *(["--remove-all"] if everybody else [])]


def locks_argv() -> list[str]:
    return ["list", "locks", "--no-lock"]


def lock_argv(lock: str) -> list[str]:
    return ["cat", "--no-lock", "lock", _pack(lock)]


def keys_argv() -> list[str]:
    return ["key", "list", "--json"]


def master_key_argv() -> list[str]:
    return ["cat", "masterkey"]


def key_names_argv() -> list[str]:
    return ["list", "keys"]


def add_key_argv(password_file: str) -> list[str]:
    return ["key", "add", "--new-password-file", password_file]


def remove_key_argv(key: str) -> list[str]:
    return ["key", "remove", _pack(key)]


def literally(path: str) -> str:
    """As a pattern that matches this path alone."""
    return _SPECIAL.sub(r"\\\1", path)


def as_listed(path: str) -> str:
    """A path as restic lists it: each byte that is no UTF-8 is U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", path)


def _snapshot(snapshot: str) -> str:
    if not _SNAPSHOT.fullmatch(snapshot):
        raise Broken("That is not the ID of a snapshot.")
    return snapshot


def _pack(name: str) -> str:
    if not _PACK.fullmatch(name):
        raise Broken("That is not the name of a file of a repository.")
    return name


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise Broken("A path for restic begins with /.")
    return path
