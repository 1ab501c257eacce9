"""A scan report for each build of the demo, made by the demo itself. It says so, in the file and wherever it is shown:
no scanner has looked at these images, and what it lists does not exist.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import scans
from deploy_records.models import ImageDigest

TOOL = "Known Good demo"
_NOTE = "Made up by the demo of Known Good, to have something to look at. No scanner has looked at this image."
_PART = "demo-part"


@dataclass(frozen=True)
class _Flaw:
    id: str
    severity: str
    of_builds: tuple[str, ...]


_FLAWS = (
    _Flaw("DEMO-2026-0001", "low", ("1", "2", "3")),
    _Flaw("DEMO-2026-0002", "medium", ("1",)),
    _Flaw("DEMO-2026-0003", "low", ("2", "3")),
)


def bring(entry: ImageDigest, number: str, by: User) -> None:
    """Imports the report of build `number`, as anybody would import one."""
    file = io.BytesIO(json.dumps(document(entry.repository, entry.digest, number), indent=1).encode())
    scans.import_report(file, f"demo-build-{number}.cdx.json", by, address="shell", is_demo=True)


def document(repository: str, digest: str, number: str) -> dict[str, Any]:
    """CycloneDX; it names the image by its digest."""
    found = [flaw for flaw in _FLAWS if number in flaw.of_builds]
    part = {"type": "library", "bom-ref": _PART, "name": _PART, "version": f"{number}.0"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": TOOL, "description": _NOTE}]},
            "component": {"type": "container", "bom-ref": "image", "name": repository, "version": digest, "description": _NOTE},
        },
        "components": [part | {"purl": f"pkg:generic/{_PART}@{number}.0"}],
        "vulnerabilities": [
            {
                "id": flaw.id, "source": {"name": TOOL}, "ratings": [{"severity": flaw.severity}], "description": _NOTE,
                "affects": [{"ref": _PART}],
            }
            for flaw in found
        ],
    }  # fmt: skip
