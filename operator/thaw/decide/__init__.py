"""PURE: what is to be done about what was observed. No clock, no API, no kopf."""
