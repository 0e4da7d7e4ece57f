"""What a rule is: what is wrong, why it matters after a restore, and what to write instead."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Severity(StrEnum):
    """How sure it is that something breaks."""

    ERROR = "error"
    WARNING = "warning"


class Rule(BaseModel):
    """One kind of state that must not be in a snapshot."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(
        description="What `--select`, `--ignore` and suppressions name, e.g. `TH101`.", pattern=r"^TH\d{3}$"
    )
    title: str = Field(description="What is wrong, in a few words.")
    severity: Severity = Field(description="`error`: it breaks or clones; `warning`: it does if anybody relies on it.")
    says: str = Field(description="A finding's message, after the code that it is about, e.g. `uuid.uuid4()`.")
    why: str = Field(description="What happens after a restore.")
    fix: str = Field(description="What to write instead.")
    bad: str = Field(description="The shortest example with the finding.")
    good: str = Field(description="The same, mended.")
    only_if_used: bool = Field(
        default=False, description="A global counts only where code that runs later, or another module, reads it."
    )

    @property
    def anchor(self) -> str:
        """Its place on the page of rules."""
        return self.code.lower()
