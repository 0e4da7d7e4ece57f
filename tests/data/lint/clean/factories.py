"""Factories run when something is constructed, and that is in the handler."""
import dataclasses
import datetime
import uuid
from dataclasses import dataclass, field
from uuid import uuid4

import attrs
from pydantic import BaseModel, Field


@dataclass
class Event:
    name: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    at: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))


class Order(BaseModel):
    id: str = Field(default_factory=lambda: str(uuid4()))
    created: datetime.datetime = Field(default_factory=datetime.datetime.now)


@attrs.define
class Line:
    id: uuid.UUID = attrs.field(factory=uuid.uuid4)


class Session:
    def __init__(self):
        self.id = uuid4()


DEFAULT = Event("default", id=uuid.UUID(int=0), at=datetime.datetime.min)
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "example.com")


def handler(event, context):
    return [Event("x"), Order(), Line(), Session(), DEFAULT, NAMESPACE]
