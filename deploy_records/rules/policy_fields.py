"""Reading a policy's fields from plain data, each of the type it has to be of. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.scanners.report import Severity

Name = TypeVar("Name", bound=str)
_MOST_PROBLEMS = 20


class Fields:
    """Notes what is wrong field by field; `close` raises it all at once."""

    def __init__(self, data: Any) -> None:
        self._data: Mapping[Any, Any] = data if isinstance(data, Mapping) else {}
        self._read: set[str] = set()
        self._problems: list[str] = []
        if not isinstance(data, Mapping):
            self._problems.append("A policy is an object with fields.")

    def yes_or_no(self, name: str, usual: bool) -> bool:  # noqa: FBT001 - the value of a field, not a switch
        found = self._take(name, usual)
        if isinstance(found, bool):
            return found
        self._note(name, "it has to be true or false")
        return usual

    def whole(self, name: str, least: int, most: int, usual: int) -> int:
        found = self._take(name, usual)
        if _is_whole(found, least, most):
            return int(found)
        self._note(name, f"it has to be a whole number from {least} to {most}")
        return usual

    def severities(self, name: str, ranked: Sequence[Severity], usual: frozenset[Severity]) -> frozenset[Severity]:
        """Of `ranked`, worst first: a severity stands for all worse ones as well, so none of these may be missing."""
        found = self._take(name, [str(one) for one in usual])
        if not isinstance(found, list | tuple) or not all(isinstance(one, str) and one in ranked for one in found):
            self._note(name, f"it has to be a list of {', '.join(ranked)}")
            return usual
        kept = [one for one in ranked if one in found]
        worst = list(ranked[: len(kept)])
        if kept != worst:
            missing = next(one for one in worst if one not in kept)
            self._note(name, f"{missing} is missing: what is worse than {kept[-1]} has to block as well")
        return frozenset(kept)

    def numbers(self, name: str, names: Sequence[Name], most: int, usual: Mapping[Name, int]) -> dict[Name, int]:
        """{name: days}."""
        found = self._take(name, {str(one): days for one, days in usual.items()})
        if not isinstance(found, Mapping):
            self._note(name, f"it has to name days for some of {', '.join(names)}")
            return dict(usual)
        for one, days in found.items():
            if one not in names:
                self._note(name, f"{shown(str(one))} is none of {', '.join(names)}")
            elif not _is_whole(days, 1, most):
                self._note(f"{name}.{one}", f"it has to be a whole number of days from 1 to {most}")
        return {one: int(found[one]) for one in names if one in found and _is_whole(found[one], 1, most)}

    def close(self) -> None:
        """`Invalid` with everything that is wrong, fields that nobody knows among it."""
        self._problems += _unknown(self._data, self._read)
        if self._problems:
            raise Invalid(f"{' '.join(self._problems[:_MOST_PROBLEMS])} Nothing was changed.")

    def _take(self, name: str, usual: Any) -> Any:
        self._read.add(name)
        return self._data.get(name, usual)

    def _note(self, name: str, wrong: str) -> None:
        self._problems.append(f"{name}: {wrong}.")


def _is_whole(found: Any, least: int, most: int) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and least <= found <= most


def _unknown(data: Mapping[Any, Any], known: set[str]) -> Iterable[str]:
    return [f"{shown(str(name))}: there is no such field." for name in data if name not in known]
