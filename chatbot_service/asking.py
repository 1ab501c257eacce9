"""What the gate is asked of a digest that runs, or would run, as a service: its environment, its name, its host."""

from chatbot_service.models import Service
from deploy_records.models import ImageDigest
from deploy_records.verdict import Question


def question(service: Service, entry: ImageDigest) -> Question:
    return Question(entry, service.environment, service.name, service.host.name, service.host.platform)
