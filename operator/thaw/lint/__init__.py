"""PURE: finds state that every instance restored from one snapshot would share. It runs nothing and opens nothing.

:mod:`~thaw.lint.check` is the entrance. A module is *interpreted abstractly* as far as its import runs it
(:mod:`~thaw.lint.execute`, :mod:`~thaw.lint.evaluate`): values are known by how they came to be
(:mod:`~thaw.lint.values`), so ``from uuid import uuid4 as u; X = str(u())`` is seen to keep ``uuid.uuid4()``.
What is worth a finding is a table (:mod:`~thaw.lint.catalogue`, :mod:`~thaw.lint.patterns`).
"""
