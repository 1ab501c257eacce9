"""What is operated: hosts, services, jobs, health (`operating.py`); what is backed up and put back (`backups.py`);
how it is configured and hardened (`operation.py`).
"""

from chatbot_service.models.backups import (
    Backup,
    BackupMode,
    BackupPlan,
    BackupRepository,
    BackupState,
    Restore,
    RestoreRehearsal,
    RestoreState,
)
from chatbot_service.models.operating import (
    ACTIVE,
    CLAIMED,
    NAME,
    READS_ONLY,
    Environment,
    HealthTransition,
    Host,
    Job,
    JobQuerySet,
    JobState,
    JobStep,
    Kind,
    RegistryLogin,
    Rehearsal,
    Service,
    StepState,
)
from chatbot_service.models.operation import CapabilityException, EnvironmentContract, EnvironmentVersion, HardeningCheck

__all__ = [
    "ACTIVE",
    "CLAIMED",
    "NAME",
    "READS_ONLY",
    "Backup",
    "BackupMode",
    "BackupPlan",
    "BackupRepository",
    "BackupState",
    "CapabilityException",
    "Environment",
    "EnvironmentContract",
    "EnvironmentVersion",
    "HardeningCheck",
    "HealthTransition",
    "Host",
    "Job",
    "JobQuerySet",
    "JobState",
    "JobStep",
    "Kind",
    "RegistryLogin",
    "Rehearsal",
    "Restore",
    "RestoreRehearsal",
    "RestoreState",
    "Service",
    "StepState",
]
