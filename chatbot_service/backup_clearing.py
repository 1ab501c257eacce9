"""What restores have replaced is removed when the time is over in which they could be undone."""

import logging

from django.conf import settings

from chatbot_service.backup_records import replaced_removed, replaced_to_remove
from chatbot_service.models import Host
from chatbot_service.trees import Folders
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)


def clear(name: str) -> int:
    """Called by a worker of the host; how many restores it cleared up after. One that cannot be cleared is tried again."""
    trees, cleared = Folders(settings.STATE_DIR), 0
    for replaced in replaced_to_remove(Host.objects.get(name=name)):
        try:
            for swap in replaced.swaps:
                trees.discard(swap)
        except (Refused, Broken) as error:
            log.warning("what restore %s replaced cannot be removed yet: %s", replaced.restore, error)
            continue
        replaced_removed(replaced.restore)
        cleared += 1
    return cleared
