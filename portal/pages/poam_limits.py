"""How long an exception may last, for every page that asks, says or decides it."""

from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits


def limits_now() -> Limits:
    """By excused severity."""
    return DEFAULT_LIMITS
