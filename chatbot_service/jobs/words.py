"""Numbers in words, for the notes of steps."""

_KILO = 1000.0


def counted(number: int, noun: str) -> str:
    """1 file, 1,204 files."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_of(octets: float) -> str:
    """In decimal units, as disks are sold: 812 B, 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < _KILO:
            return f"{octets:.0f} {unit}" if unit == "B" or octets >= 100 else f"{octets:.1f} {unit}"  # noqa: PLR2004 - three digits
        octets /= _KILO
    return f"{octets:.1f} TB"
