"""People with exactly the permissions a test gives them, whatever the portal's roles are."""

from django.contrib.auth.models import Group, Permission, User

RELEASE_MANAGER = ("register_digest", "approve_digest", "deprecate_digest", "revoke_digest")
OPERATOR = ("register_digest",)


def person(name: str, *codenames: str, email: str = "") -> User:
    made = User.objects.create_user(name, email=email)
    if codenames:
        group, _new = Group.objects.get_or_create(name="May " + ", ".join(codenames))
        group.permissions.set(Permission.objects.filter(content_type__app_label="deploy_records", codename__in=codenames))
        made.groups.add(group)
    return made


def anew(one: User) -> User:
    """As the next request would load them."""
    return User.objects.get(pk=one.pk)
