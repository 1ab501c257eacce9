from django.apps import AppConfig


class ChatbotServiceConfig(AppConfig):
    name = "chatbot_service"
