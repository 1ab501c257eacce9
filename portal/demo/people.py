"""The demo's people: one for each role, with passwords made for this installation."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from deploy_records import audit

ROLE_OF = {
    "release-manager": "Release manager",
    "operator": "Operator",
    "security-reviewer": "Security reviewer",
    "auditor": "Auditor",
    "administrator": "Administrator",
}
DEMO = audit.Actor("demo set-up")


@dataclass(frozen=True)
class People:
    release_manager: User
    operator: User


def make() -> People:
    """Makes them once; their passwords are kept, for their owner only, in `sign_ins_file`."""
    lines = [_make_one(name, role) for name, role in ROLE_OF.items() if not User.objects.filter(username=name).exists()]
    if lines:
        file = sign_ins_file()
        file.touch(mode=0o600)
        with file.open("a") as kept:
            kept.writelines(lines)
    return People(User.objects.get(username="release-manager"), User.objects.get(username="operator"))


def _make_one(name: str, role: str) -> str:
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    with transaction.atomic():
        person = User.objects.create_user(name, f"{name}@demo.invalid", password)
        person.groups.add(Group.objects.get(name=role))
        changes = {"roles": [None, [role]]}
        audit.record(DEMO, audit.Event("person.added", **audit.about(person), reason="demo", changes=changes))
    return f"  {name:<18} {password}\n"


def sign_ins_file() -> Path:
    return settings.STATE_DIR / "demo-sign-ins"


def sign_ins() -> str:
    """What to type, for the terminal."""
    file = sign_ins_file()
    known = file.read_text() if file.exists() else ""
    return f"Demo sign-ins (in this installation only):\n{known}"
