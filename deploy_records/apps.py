from django.apps import AppConfig


class DeployRecordsConfig(AppConfig):
    name = "deploy_records"
