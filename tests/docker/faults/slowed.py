"""Acts of the product that take microseconds, slowed down so that a kill can meet them halfway."""

import time

from chatbot_service import trees_rename
from chatbot_service.trees_rename import Place

_A_MOMENT = 0.04


def move(source: Place, target: Place) -> None:
    time.sleep(_A_MOMENT)
    trees_rename.move(source, target)


def exchange(one: Place, other: Place) -> bool:
    time.sleep(_A_MOMENT)
    could = trees_rename.exchange(one, other)
    time.sleep(_A_MOMENT)
    return could


def no_exchange(_one: Place, _other: Place) -> bool:
    """As on a file system that cannot."""
    time.sleep(_A_MOMENT)
    return False
