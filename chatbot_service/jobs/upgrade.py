"""upgrade: check, back up, rehearse beside the running one, switch, prove, watch. Any failure puts the old one back."""

from dataclasses import replace

from chatbot_service.jobs.backup import BEFORE_AN_UPGRADE
from chatbot_service.jobs.checking import GATE, IMAGE, VERIFY
from chatbot_service.jobs.rehearsal import rehearse, remove_rehearsal
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import FROM_PIN_TO_WATCH

REHEARSE = Step("rehearse", "Rehearse beside the running one", rehearse, remove_rehearsal, "remove the rehearsal")
STEPS = (GATE, IMAGE, VERIFY, BEFORE_AN_UPGRADE, REHEARSE, *FROM_PIN_TO_WATCH)
HOLDING_STEPS = (GATE, IMAGE, VERIFY, replace(BEFORE_AN_UPGRADE, touches=True), REHEARSE, *FROM_PIN_TO_WATCH)
"""Where the backup pauses or stops the service, it is touched from there on."""
