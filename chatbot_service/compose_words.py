"""What Compose said, in words for a person and without values: it quotes lines of .env files and environments. Pure."""

import re
from collections.abc import Mapping, Sequence

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Broken, Refused

_WARNING = re.compile(r'time="[^"]*" level=(?P<level>\w+) msg="(?P<text>.*)"')
_UNSET = re.compile(r'The \\?"(?P<name>[^"\\]*)\\?" variable is not set')
_KEY = re.compile(r"[A-Z][A-Z0-9_]*")
_QUOTED = re.compile(
    r"(?P<lead>\b(?:service|network|volume|secret|config|key|file) )?"
    r"(?P<quote>[\"`]|(?<!\w)')(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)"
)
_LEFT_OPEN = re.compile(r"[\"`\\]|(?<!\w)'|'(?!\w)")
_PROGRESS = re.compile(r" (?:Container|Network|Volume|Image|Service|Secret|Config) ")
_MOST_TELLING = 40
_PROJECT_ERRORS = frozenset({14, 15})

_PROJECT = {
    r"invalid interpolation format for (?P<at>[\w.\[\]-]+?)\.?(?:\n|$)": (
        "The value at {at} has a $ that is no variable. Write $$ for a plain $."
    ),
    r"failed to read (?P<at>\S+): line (?P<line>\d+)": (
        "{at} cannot be read at line {line}. Write KEY=value, one on a line, and close every quote."
    ),
    r"(?:^|\n)line (?P<line>\d+): (?:unexpected character|unterminated quoted|key cannot contain)": (
        "An env file cannot be read at line {line}. Write KEY=value, one on a line, and close every quote."
    ),
    r"[Ii]nvalid template": "A value has a $ that is no variable. Write $$ for a plain $.",
    r"error decoding '(?P<at>[\w.\[\]-]+)'": "The value at {at} is none that Compose can read.",
    r"env file (?P<at>\S+) not found": "The env file {at} is missing. Create it or take it out of env_file.",
    r"required variable (?P<at>\w+) is missing a value": ("The variable {at} has no value. Set it in the project's .env file."),
    r"line (?P<line>\d+): mapping key \"(?P<at>[^\"]+)\" already defined": (
        "The key {at} is there twice (line {line}). Take one out."
    ),
    r"validating (?P<at>\S+): (?P<what>[^\"'`\n]+)": "{at}: {what}.",
    r"service \"(?P<at>[^\"]+)\" has neither an image nor a build": (
        "The service {at} has no image. Add image: registry/name:tag."
    ),
    r"no such service: (?P<at>\S+)": "There is no service {at} in the compose files. Check the name.",
    r"service \"(?P<at>[^\"]+)\" depends on undefined service \"(?P<what>[^\"]+)\"": (
        "The service {at} depends on {what}, which is not there."
    ),
    r"(?P<kind>network|volume|secret|config) \"?(?P<at>[^\s\"]+)\"? declared as external, but could not be found": (
        "The external {kind} {at} is not on this host. Create it: docker {kind} create {at}."
    ),
    r"external volume \"(?P<at>[^\"]+)\" not found": (
        "The external volume {at} is not on this host. Create it: docker volume create {at}."
    ),
    r"no configuration file": "A compose file is missing.",
    r"yaml: (?P<what>line \d+: [^\"'`\n]+)": "A compose file is not valid YAML: {what}.",
}

_SWITCH = {
    r"Bind for (?P<at>\S+) failed: port is already allocated": "port {at} of the host is taken by another container",
    r"listen \w+ (?P<at>\S+): bind: address already in use": "port {at} of the host is taken by another program",
    r"[Nn]o such image: (?P<at>\S+?):? (?=No such|$)|No such image: (?P<also>\S+)": "the image {at}{also} is not on this host",
    r"bind source path does not exist: (?P<at>.+)": "the folder {at}, which is mounted into the container, is not there",
    r"[Tt]he container name \"/?(?P<at>[^\"]+)\" is already in use": "another container holds the name {at}",
    r"does not match the specified platform: wanted (?P<at>\S+), actual: (?P<what>\S+)": (
        "the image is for {what}, and {at} is wanted"
    ),
    r"exec: \"(?P<at>[^\"]+)\": (?:executable file not found|stat .*no such file)": "its command {at} is not in the image",
    r"OCI runtime create failed: (?P<at>.+)": "it could not be started: {at}",
    r"unable to find user (?P<at>[^:\s]+)": "its user {at} is not in the image",
    r"network (?P<at>\S+) not found": "the network {at} is gone",
    r"non-overlapping IPv4 address pool": (
        "the engine has no addresses left for another network; remove unused ones (docker network prune) "
        "or give it more (default-address-pools in /etc/docker/daemon.json)"
    ),
    r"[Nn]o space left on device": "the disk of the engine is full",
    r"[Cc]annot connect to the Docker daemon|error during connect": "the engine does not answer",
    r"Error response from daemon: (?P<at>.+)": "the engine said: {at}",
}


def progress_line(line: str) -> str | None:
    """A line of Compose's output as a job shows it; nothing for the others, as errors may quote values."""
    if _PROGRESS.match(line):
        return one_line(line)
    warned = _WARNING.search(line)
    if not warned:
        return None
    unset = _UNSET.search(warned["text"])
    if not unset:
        return f"compose warns: {_without_values(warned['text'])}"
    # A secret with a $ in it is read as a variable: then the "name" is a piece of the secret.
    name = unset["name"] if _KEY.fullmatch(unset["name"]) else "…"
    return f"compose warns: the variable {name} is not set and counts as empty"


def project_refusal(directory: str, lines: Sequence[str]) -> Refused:
    """For a project that Compose will not read."""
    text = _errors(lines)
    why = _told(_PROJECT, text) or f"Compose says: {_without_values(text.partition(chr(10))[0])}."
    return Refused(f"The compose project in {directory} cannot be used. {why} Nothing was changed.", code="compose-project")


def run_failure(command: str, directory: str, exit_code: int, lines: Sequence[str]) -> Refused | Broken:
    """For an `up` or `down` that ended with an error."""
    text = _errors(lines)
    told = _told(_SWITCH, text)
    if told:
        return Broken(f"docker compose {command}: {told}.")
    if exit_code in _PROJECT_ERRORS or _told(_PROJECT, text):
        return project_refusal(directory, lines)
    ended = f"was ended by signal {-exit_code}" if exit_code < 0 else f"failed with exit {exit_code}"
    said = _without_values(text.rstrip().rpartition("\n")[2])
    return Broken(f"docker compose {command} {ended}{': ' + said if said else ''}.")


def _errors(lines: Sequence[str]) -> str:
    return "\n".join(line for line in lines if not _WARNING.search(line) and not _PROGRESS.match(line))


def _told(signs: Mapping[str, str], text: str) -> str:
    for sign, sentence in signs.items():
        found = re.search(sign, text)
        if found:
            return sentence.format(**{name: one_line(value or "", 200) for name, value in found.groupdict().items()})
    return ""


def _without_values(text: str) -> str:
    """Quoted words may be values; they stay only after a word that says what they name. What follows an open quote
    may be a value to its end.
    """

    def shown(found: re.Match[str]) -> str:
        naming = found["lead"] and len(found["text"]) <= _MOST_TELLING
        return f"{found['lead'] or ''}“{found['text'] if naming else '…'}”"

    told = _QUOTED.sub(shown, text)
    left_open = _LEFT_OPEN.search(told)
    return one_line(f"{told[: left_open.start()]}…" if left_open else told).rstrip(".")
