"""Who holds a permission. Default deny: only what a role grants counts, also for superusers."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission, User
from django.db.models import QuerySet

from deploy_records.errors import NotAllowed

Person = User | AnonymousUser | AbstractBaseUser


def permissions_of(person: Person) -> frozenset[str]:
    """`app.codename` of all that the person's roles grant; read once per loaded person."""
    if not isinstance(person, User) or not person.is_active:
        return frozenset()
    known: frozenset[str] | None = getattr(person, "_granted", None)
    if known is None:
        rows = Permission.objects.filter(group__user=person).values_list("content_type__app_label", "codename")
        known = frozenset(f"{app}.{name}" for app, name in rows)
        person._granted = known  # type: ignore[attr-defined]  # noqa: SLF001 - a cache on this instance only
    return known


def holds(person: Person, permission: str) -> bool:
    return permission in permissions_of(person)


def require(person: Person, permission: str, to_do: str) -> User:
    """The person, or `NotAllowed` unless one of their roles grants `permission`; `to_do`: "Approving a digest"."""
    if isinstance(person, User) and holds(person, permission):
        return person
    who = " or ".join(name.lower() for name in roles_granting(permission)) or "that nobody has yet"
    raise NotAllowed(f"{to_do} takes the role {who}. Nothing was changed.")


def roles_granting(permission: str) -> list[str]:
    """Names of the roles that grant `app.codename`."""
    app, _dot, codename = permission.partition(".")
    granting = Group.objects.filter(permissions__content_type__app_label=app, permissions__codename=codename)
    return list(granting.order_by("name").values_list("name", flat=True))


def holders(permission: str) -> QuerySet[User]:
    """The active people whose roles grant `app.codename`, read anew each time."""
    app, _dot, codename = permission.partition(".")
    granting = Group.objects.filter(permissions__content_type__app_label=app, permissions__codename=codename)
    return User.objects.filter(is_active=True, groups__in=granting).distinct()


def roles_of(person: Person) -> list[str]:
    """Names of the person's roles."""
    if not isinstance(person, User):
        return []
    known: Any = getattr(person, "_roles", None)
    if known is None:
        known = sorted(person.groups.values_list("name", flat=True))
        person._roles = known  # type: ignore[attr-defined]  # noqa: SLF001 - a cache on this instance only
    return list(known)
