"""What is the case with a FunctionVersion, and what follows: a chain of small checks, the first that speaks is right.

Each looks at one :class:`ObservedVersion` and either has nothing to say (None) or gives the :class:`Finding`. Rows 1 to
9 publish it (:mod:`thaw.decide.publishing`); from then on it is kept (:mod:`thaw.decide.keeping`, rows K) if it was
ever Active, or else its first snapshot is made (:mod:`thaw.decide.making`, rows M).

===  ===================================  ==================  =====================================================
row  what is observed                     state, code         what is done
===  ===================================  ==================  =====================================================
 1   Failed before                        Failed              its pods and the Snapshot go
 2   equals an earlier version            the earlier one's   mirrored
 3   no number; function missing          Pending, Creating   waits for it
 4   no number; runtime without image     Pending, Creating   waits for an administrator
 5   no number; codeSha256 differs        Failed, Invalid…    nothing more
 6   no number; nothing changed           the earlier one's   duplicateOf
 7   no number                            Pending, Creating   number, frozen template, owner
 8   frozen template gone                 Failed, Internal…   nothing more
 9   applyOn None                         Active, Off
10   it was Active once                   see keeping
11   otherwise                            see making
===  ===================================  ==================  =====================================================
"""

from __future__ import annotations

from dataclasses import replace

from thaw.decide import keeping, making, publishing
from thaw.decide.finding import Check, Finding, first_of
from thaw.decide.observed import ObservedVersion


def chain_for(seen: ObservedVersion) -> tuple[Check, ...]:
    """All checks that are asked about it."""
    return publishing.CHAIN + (keeping.CHAIN if keeping.is_kept(seen) else making.CHAIN)


def first(seen: ObservedVersion) -> Finding:
    """What is the case."""
    found = first_of(chain_for(seen), seen)
    if found is None:
        raise AssertionError("both chains end with a check that always speaks")
    if keeping.is_kept(seen) and found.changes.get("recycle") is None:
        found = replace(found, cleanup=(*found.cleanup, *keeping.left_behind(seen)))
    return found
