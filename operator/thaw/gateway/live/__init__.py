"""``/thaw/v1``: what Lambda's API has no words for, as JSON: the console and ``thaw top`` ask it.

Versions with their snapshots and instances, recent starts, the nodes' caches, and a stream of what changes.
"""
