"""What the gate policy says on exceptions, for every page that asks, says or decides it."""

from deploy_records import policies_in_force
from deploy_records.rules.exceptions import Limits


def limits_now() -> Limits:
    """How long one may last, by excused severity. It counts in every environment, and production asks for the most."""
    return policies_in_force.limits()


def trusts_git() -> bool:
    """Whether what is approved in a repository's file counts as approved here."""
    return policies_in_force.trusts_git()
