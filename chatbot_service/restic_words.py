"""Why restic failed, in words for a person: what can be mended is Refused, damage and the rest is Broken. Pure."""

import re
from collections.abc import Mapping

from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.backup_ports import Damaged
from chatbot_service.restic_commands import Place
from deploy_records.errors import Broken, Refused

NO_REPOSITORY, LOCKED, WRONG_PASSWORD, SOME_UNREADABLE = 10, 11, 12, 3

_TARGET_FULL = r"write (?!.*-tmp-)(?P<at>/.*): (?:no space left on device|disk quota exceeded)"
_FULL = r"no space left on device|disk quota exceeded|QuotaExceeded|insufficient storage|507 "
_DAMAGED = (
    r"ciphertext verification failed|invalid data returned|is damaged|not found in repository|unexpected pack id"
    r"|contents? .*(?:does|did) not match|hash mismatch|/data/[0-9a-f]{2}/[0-9a-f]{64}: no such file"
    r"|Unable to load tree|walker\.walk"
)

_LOGIN: Mapping[str, str] = {
    r"Permission denied \((?:publickey|password|keyboard)": "its SSH server does not let this account in",
    r"Host key verification failed": "its SSH host key is not known here; connect once by hand with ssh and compare it",
    r"\b401\b|[Uu]nauthorized": "it asks for a user name and password",
    r"\b403\b|[Ff]orbidden|Access ?Denied|access denied": "it does not allow these credentials to do that",
    r"InvalidAccessKeyId|access key ID you provided does not exist|SignatureDoesNotMatch|AuthorizationHeaderMalformed": (
        "it does not know this access key"
    ),
    r"NoSuchBucket|bucket does not exist": "it has no such bucket",
    r"no credentials found|unable to .*credentials|Account (?:name|key) .*empty|account .*not set": "credentials are missing",
}
_UNREACHABLE: Mapping[str, str] = {
    r"[Cc]onnection refused": "nothing answers at that address",
    r"no such host|Could not resolve hostname|Name or service not known|server misbehaving": "its host name is not known",
    r"x509|certificate|tls: |TLS handshake": "its TLS certificate is not trusted here, or it does not speak TLS",
    r"server gave HTTP response to HTTPS client": "it does not speak TLS",
    r"i/o timeout|[Cc]onnection timed out|deadline exceeded|Client\.Timeout": "it does not answer in time",
    r"[Nn]o route to host|network is unreachable": "there is no way to it in the network",
    r"executable file not found|rclone.*not found|error talking HTTP to rclone": "the program that reaches it is missing here",
    r"server unexpectedly closed connection|connection reset|unexpected EOF|broken pipe": "it closed the connection",
    r"returned error, retrying after|unexpected HTTP response|server response unexpected": "it answers with errors",
}


def failure(what: str, place: Place, exit_code: int, text: str) -> Refused | Broken:
    """`what`: backup, restore, check and so on. `text`: all it said, what tells most first."""
    told = _refusal(place, exit_code, text)
    if told:
        return Refused(place.hide(told), code="backup-repository")
    if re.search(_DAMAGED, text):
        return Damaged(f"The backup repository {place.shown} is damaged: {_first_line(place, text)}.")
    ended = f"was ended by signal {-exit_code}" if exit_code < 0 else f"failed with exit {exit_code}"
    said = _first_line(place, text)
    return Broken(f"restic {what} {ended}{': ' + said if said else ''}.")


def tells_of_damage(text: str) -> bool:
    return "repository contains errors" in text or bool(re.search(_DAMAGED, text))


def lock_not_written(text: str) -> bool:
    """On a disk that is full or read-only backups can be read all the same."""
    return bool(re.search(rf"unable to create lock in backend: .*(?:{_FULL}|[Rr]ead-only file system)", text))


def unreachable(place: Place, text: str) -> Refused:
    why = _told(_LOGIN, text) or _told(_UNREACHABLE, text) or "it answers with errors"
    return Refused(
        f"The backup repository {place.shown} cannot be reached: {why}. Check its address and credentials, and that it runs.",
        code="backup-repository",
    )


def _refusal(place: Place, exit_code: int, text: str) -> str:
    where = f"The backup repository {place.shown}"
    if exit_code == NO_REPOSITORY:
        return f"{where} is not there. See whether its disk is mounted and the address is right."
    if exit_code == WRONG_PASSWORD:
        return f"{where} does not open: its password is another. Enter the right one; without it nothing in it can be read."
    if exit_code == LOCKED:
        by = re.search(r"locked (?:exclusively )?by (?P<who>PID \d+ on \S+)", text)
        return (
            f"{where} is locked by another restic run{' (' + one_line(by['who'], 80) + ')' if by else ''}. "
            "Wait until it has ended; if none runs any more, remove the lock with restic unlock --remove-all."
        )
    return _disk(where, text) or _remote(where, place, text)


def _disk(where: str, text: str) -> str:
    target = re.search(_TARGET_FULL, text)
    if target:
        return f"The disk is full that is restored to ({one_line(target['at'], 200)}). Make room on it and try again."
    if re.search(_FULL, text):
        return f"{where} is full: no space is left on its disk. Make room on it, or keep fewer backups, and try again."
    if re.search(r"[Rr]ead-only file system", text):
        return f"{where} or the target cannot be written: its file system is read-only."
    denied = re.search(r"(?P<at>\S*/(?:config|keys|locks|snapshots|index|data)\S*): permission denied", text)
    if denied:
        return f"{where} may not be read or written by this worker: permission denied. Give its user access to the folder."
    return ""


def _remote(where: str, place: Place, text: str) -> str:
    if place.folder:
        return ""
    login = _told(_LOGIN, text)
    if login:
        return f"{where} refuses: {login}. Check the credentials of the repository."
    reason = _told(_UNREACHABLE, text)
    return f"{where} cannot be reached: {reason}. Check its address and that it runs." if reason else ""


def _told(signs: Mapping[str, str], text: str) -> str:
    return next((sentence for sign, sentence in signs.items() if re.search(sign, text)), "")


def _first_line(place: Place, text: str) -> str:
    """The line that says most: not a stack trace, not the count of errors."""
    lines = [line.strip().removeprefix("Fatal: ") for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("There were", "goroutine", "github.com", "main."))]
    return place.hide(one_line(telling[0])).rstrip(".") if telling else ""
