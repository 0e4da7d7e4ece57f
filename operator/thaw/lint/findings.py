"""What the linter says: one finding for one place, and all of them for what was looked at."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from thaw.lint.catalogue import BY_CODE
from thaw.lint.rules import Rule


class Finding(BaseModel):
    """One piece of state that would be cloned."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(description="The file, as it was named or found, with forward slashes.")
    line: int = Field(description="Counted from 1.", ge=1)
    column: int = Field(description="Counted from 1, in characters.", ge=1)
    end_line: int = Field(description="The last line of the expression.", ge=1)
    code: str = Field(description="The rule, e.g. `TH101`.")
    call: str = Field(description="What is called or read, by its full name, e.g. `uuid.uuid4()`.")
    kept: str = Field(
        default="", description="Where its value stays, e.g. `INSTANCE_ID`; empty where it is not about a value."
    )
    via: tuple[str, ...] = Field(
        default=(),
        description="The calls by which import gets there, outermost first, as `path:line`; empty at module level.",
    )

    @property
    def rule(self) -> Rule:
        """The rule that it breaks."""
        return BY_CODE[self.code]

    @property
    def message(self) -> str:
        """One sentence: what, where it stays, what is wrong with it."""
        kept = f", kept in {self.kept}," if self.kept else ""
        return f"{self.call}{kept} {self.rule.says}"


class Report(BaseModel):
    """The answer about a path."""

    files: int = Field(description="How many files were checked.", ge=0)
    findings: tuple[Finding, ...] = Field(description="Sorted by path, line, column and code.")
