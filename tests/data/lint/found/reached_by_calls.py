import functools
import os
import threading
import uuid
from dataclasses import dataclass, field

from snapshot_restore_py import register_before_snapshot


def make():
    return inner()


def inner():
    unused = uuid.uuid4()
    print(unused)
    return str(uuid.uuid4())  # expect: TH101


def configure():
    global TOKEN
    TOKEN = os.urandom(16)  # expect: TH102


def passed(factory):
    return factory()  # expect: TH101


class Tracer:
    def __init__(self, name):
        self.name = name
        self.trace_id = uuid.uuid4()  # expect: TH101
        self.start()

    def start(self):
        self.span = uuid.uuid4()  # expect: TH101

    @property
    def fresh(self):
        return uuid.uuid4()  # expect: TH101

    @classmethod
    def create(cls):
        return cls("created")


@dataclass
class Event:
    name: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)


@functools.lru_cache
def session_key():
    return uuid.uuid4()  # expect: TH101


def with_closure():
    mine = uuid.uuid4()  # expect: TH101

    def read():
        return mine

    return read


def tag(value):
    def decorate(function):
        function.tag = value
        return function

    return decorate


@tag(uuid.uuid4())  # expect: TH101
def tagged():
    ...


ID = make()
configure()
LAMBDA = (lambda: uuid.uuid4())()  # expect: TH101
HANDED = passed(uuid.uuid4)
tracer = Tracer.create()
FRESH = tracer.fresh
EVENT = Event("start")  # expect: TH101
session_key()
read = with_closure()
IDS = list(map(lambda _: uuid.uuid4(), range(3)))  # expect: TH101
os.environ["RUN_ID"] = str(uuid.uuid4())  # expect: TH101
threading.current_thread().setName(f"w-{uuid.uuid4()}")


@register_before_snapshot
def warm():
    global WARMED
    WARMED = uuid.uuid4()  # expect: TH101


def handler(event, context):
    return [ID, TOKEN, LAMBDA, HANDED, tracer, EVENT, FRESH, read(), IDS, tagged(), uuid.uuid4()]
