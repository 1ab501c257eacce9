"""Who holds a permission. Default deny: only what a role grants counts, also for superusers."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Permission, User

from deploy_records.errors import NotAllowed

Person = User | AnonymousUser | AbstractBaseUser


def permissions_of(person: Person) -> frozenset[str]:
    """`app.codename` of all that the person's roles grant; read once per loaded person."""
    if not person.is_authenticated or not person.is_active:
        return frozenset()
    known: Any = getattr(person, "_granted", None)
    if known is None:
        rows = Permission.objects.filter(group__user=person).values_list("content_type__app_label", "codename")
        known = frozenset(f"{app}.{name}" for app, name in rows)
        person._granted = known  # type: ignore[union-attr]  # a cache on this instance only
    return known


def holds(person: Person, permission: str) -> bool:
    return permission in permissions_of(person)


def require(person: Person, permission: str, to_do: str) -> None:
    """`NotAllowed` unless one of the person's roles grants `permission`."""
    if not holds(person, permission):
        raise NotAllowed(f"{to_do} needs a role that you do not have. Nothing was changed.")


def roles_of(person: Person) -> list[str]:
    """Names of the person's roles."""
    if not isinstance(person, User):
        return []
    known: Any = getattr(person, "_roles", None)
    if known is None:
        known = sorted(person.groups.values_list("name", flat=True))
        person._roles = known  # type: ignore[attr-defined]  # a cache on this instance only
    return list(known)
