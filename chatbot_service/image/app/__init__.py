"""The reference chatbot: standard library only, so that the image needs nothing but Python.

Start-up counts as downtime of every switch: what a request needs rarely is imported when it is needed.
"""
