"""Small reports in the form of each tool, written for these tests, and ways to spoil them."""

import json
from copy import deepcopy
from typing import Any

from tests.deploy_records.scanners.code_reports import BANDIT, NPM_AUDIT, PIP_AUDIT, SARIF
from tests.deploy_records.scanners.image_reports import GRYPE, TRIVY, TRIVY_CLUSTER, TRIVY_LEGACY
from tests.deploy_records.scanners.sbom_reports import CYCLONEDX, CYCLONEDX_XML, SPDX

ALL: dict[str, Any] = {
    "trivy": TRIVY,
    "trivy, legacy": TRIVY_LEGACY,
    "trivy, cluster": TRIVY_CLUSTER,
    "grype": GRYPE,
    "sarif": SARIF,
    "cyclonedx": CYCLONEDX,
    "spdx": SPDX,
    "pip-audit": PIP_AUDIT,
    "pip-audit, legacy": PIP_AUDIT["dependencies"],
    "bandit": BANDIT,
    "npm-audit": NPM_AUDIT,
}
ALL_FILES = {**{name: json.dumps(report).encode() for name, report in ALL.items()}, "cyclonedx, XML": CYCLONEDX_XML.encode()}


def changed(report: Any, *path: str | int, to: Any) -> Any:
    """A copy with another value at `path`."""
    made = deepcopy(report)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return made


def without(report: Any, *path: str | int) -> Any:
    made = deepcopy(report)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return made
