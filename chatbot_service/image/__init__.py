"""The reference personal_chatbot: what is built into the image, and nothing the portal imports."""
