"""Lets invocations in, as many as may run at a time; every request for an instance passes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from thaw.gateway import answers, concurrency
from thaw.gateway.watch import Watch

Leave = Callable[[], None]


class Admission:
    """Counts what runs, by function.

    :param gateways: those that live: each lets in its part of every limit.
    :param own: this gateway.
    :param limit: invocations of one namespace that may run at a time.
    """

    def __init__(self, watch: Watch, gateways: Callable[[], Sequence[str]], own: str, limit: int) -> None:
        self._watch, self._gateways, self._own, self._limit = watch, gateways, own, limit
        self._running: Counter[tuple[str, str]] = Counter()
        self._unreserved: Counter[str] = Counter()

    def enter(self, namespace: str, function: str) -> Leave:
        """Lets one in; what it gives is called when the invocation is over.

        :raises InvokeError: 429 TooManyRequestsException, with the limit as its Reason.
        """
        reserved = self._watch.reserved(namespace)
        key = namespace, function
        if function in reserved:
            if self._running[key] >= self._share(reserved[function]):
                text = f"{function} has a reserved concurrency of {reserved[function]}."
                raise answers.throttled(text, "ReservedFunctionConcurrentInvocationLimitExceeded")
            return self._count(key, reserved=True)
        rest = concurrency.unreserved(self._limit, reserved.values())
        if self._unreserved[namespace] >= self._share(rest):
            text = f"The functions of {namespace} without reserved concurrency share a concurrency of {rest}."
            raise answers.throttled(text, "ConcurrentInvocationLimitExceeded")
        return self._count(key, reserved=False)

    def _share(self, limit: int) -> int:
        return concurrency.share(limit, self._gateways(), self._own)

    def _count(self, key: tuple[str, str], *, reserved: bool) -> Leave:
        namespace, _ = key
        self._running[key] += 1
        self._unreserved[namespace] += not reserved

        def leave() -> None:
            self._running[key] -= 1
            self._unreserved[namespace] -= not reserved
            if not self._running[key]:
                del self._running[key]

        return leave
