"""AWS SAM and CloudFormation templates as Thaw's manifests. PURE: whoever calls brings the files.

::

    text ─ document (tags, duplicates) ─ edits (--set, --ignore) ─ resolve (intrinsic functions, to Nodes)
         ─ template (sections, SAM's Globals) ─ function, code, versions, attached (to specs) ─ write (YAML)

Nothing is guessed: what has a value only in AWS is a leaf :class:`~thaw.iac.node.Unknown`, an error for whoever reads
it and for nobody else. Errors are collected in a :class:`~thaw.iac.report.Report`, each with its path in the template.
"""
