"""What falls out of compliance by a moment to come?"""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.utils.safestring import SafeString

from chatbot_service.models import Service
from portal.sentences.gate import linked
from portal.sentences.parts import Answer, claim, counted, listed, said, some, strong

_MOST_NAMED = 3


def answer(at: datetime, fallen: Sequence[Service], because: Sequence[str], refused: int, total: int) -> Answer:
    """`because`: why those that fall out do, each reason once; `refused`: how many are refused already."""
    if not total:
        return Answer("none", said("Nothing runs that the ledger knows, so nothing can fall out of compliance."))
    sub = said(f"Replayed with what is known now; only the clock runs ahead, to {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.")
    if fallen:
        return Answer("warn", said(_fallen(at, fallen, because, total), _already(refused), "."), sub)
    if refused == total:
        return Answer("stop", said("The gate ", claim(f"refuses {_all(total)}", "#refused"), " today already."), sub)
    if refused:
        words = said("Nothing more falls out of compliance by ", _day(at), "; ", _refused(refused), ".")
        return Answer("warn", words, sub)
    return Answer("ok", said("Nothing falls out of compliance by ", _day(at), ": the gate then passes ", _all(total), "."), sub)


def _fallen(at: datetime, fallen: Sequence[Service], because: Sequence[str], total: int) -> SafeString:
    if len(fallen) <= _MOST_NAMED:
        who = listed([strong(claim(str(one), "#fallen")) for one in fallen])
    else:
        counts = _all(total) if len(fallen) == total else f"{counted(len(fallen))} of {some(total, 'service', 'services')}"
        who = strong(claim(counts, "#fallen"))
    falls = "falls" if len(fallen) == 1 else "fall"
    why = said(", because ", linked(because[0])) if len(because) == 1 else said("")
    return said("By ", _day(at), ", ", who, f" {falls} out of compliance", why)


def _already(refused: int) -> SafeString:
    return said("; ", _refused(refused)) if refused else said("")


def _refused(number: int) -> SafeString:
    return claim(f"{counted(number)} {'is' if number == 1 else 'are'} refused already", "#refused")


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%a %-d %b %Y}"


def _all(total: int) -> str:
    return "the one service that runs" if total == 1 else f"all {counted(total)} services"
