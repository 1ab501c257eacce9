"""The demo: people, three builds of the reference service, and the main job played on them. It exists on request only."""
