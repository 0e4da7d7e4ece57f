"""Asynchronous invocation (InvocationType Event): a queue in the cluster, retries, maximum age and destinations.

An accepted event is an EventInvocation object until it is done with (hack/design/0010-durable-events.md)::

    queue.accept ─ EventInvocation ─ drain ─ attempts.make ─ decide.after ─ settle ─ again later
                                       ▲                                     ├─ a record: a new EventInvocation
                                       └─────────────────────────────────────┘  then the old one is deleted
"""
