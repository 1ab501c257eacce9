"""The record: which digests are known, who approved them, what ran where, who did what. One file a subject."""

from deploy_records.models.audit import AuditEvent, AuditHead
from deploy_records.models.common import DIGEST_LENGTH, PERSON
from deploy_records.models.deployments import Deployment, Outcome
from deploy_records.models.ledger import Approval, ImageDigest, LedgerState, PlatformImage
from deploy_records.models.poam import (
    PoamComment,
    PoamGrant,
    PoamItem,
    PoamMilestone,
    PoamNumbers,
    PoamState,
    PoamWarning,
)
from deploy_records.models.policy import GatePolicy
from deploy_records.models.scans import (
    DigestFinding,
    ImportState,
    Match,
    NamedDigest,
    ReportChange,
    ScanComponent,
    ScanFinding,
    ScanImport,
    ScanMatch,
    ScanReport,
    StoredFile,
    StoredPiece,
)

__all__ = [
    "DIGEST_LENGTH",
    "PERSON",
    "Approval",
    "AuditEvent",
    "AuditHead",
    "Deployment",
    "DigestFinding",
    "GatePolicy",
    "ImageDigest",
    "ImportState",
    "LedgerState",
    "Match",
    "NamedDigest",
    "Outcome",
    "PlatformImage",
    "PoamComment",
    "PoamGrant",
    "PoamItem",
    "PoamMilestone",
    "PoamNumbers",
    "PoamState",
    "PoamWarning",
    "ReportChange",
    "ScanComponent",
    "ScanFinding",
    "ScanImport",
    "ScanMatch",
    "ScanReport",
    "StoredFile",
    "StoredPiece",
]
