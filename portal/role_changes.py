"""Giving and taking roles: by administrators, never one's own, on record."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, User

from deploy_records import audit
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.people import Person, require
from deploy_records.rules.digest import shown
from portal.access import ROLES

MAY_CHANGE = "auth.change_user"
TO_DO = "Changing somebody's roles"


def change(person: User, wanted: Iterable[str], by: Person, *, seen: Iterable[str], address: str = "") -> list[str]:
    """The person's roles from now on. `seen`: those that `by` saw when they decided."""
    administrator = require(by, MAY_CHANGE, TO_DO)
    if administrator.pk == person.pk:
        raise NotAllowed("Nobody changes their own roles. Another administrator can. Nothing was changed.")
    roles = sorted(set(wanted))
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise Invalid(f"{shown(unknown[0])} is not a role. Nothing was changed.")
    with audit.changing():
        _still_administrator(administrator)
        before = sorted(person.groups.values_list("name", flat=True))
        if before != sorted(set(seen)):
            raise Refused("Somebody else changed these roles since you opened the page. Look again. Nothing was changed.",
                          code="stale")  # fmt: skip
        person.groups.set(Group.objects.filter(name__in=roles))
        event = audit.Event("person.roles-changed", **audit.about(person), changes={"roles": [before, roles]})
        audit.record(audit.Actor.of(administrator, address), event)
    return roles


def _still_administrator(person: User) -> None:
    """Read anew under the lock: two administrators who take each other's role leave one."""
    require(User.objects.get(pk=person.pk), MAY_CHANGE, TO_DO)
