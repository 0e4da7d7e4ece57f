"""The operations of the Lambda API, in groups: each takes parsed parameters, delegates, and reports.

A group is a class whose ``handlers()`` are by the operation's name in AWS's model. Where a request goes, and which of
its parts are which parameters, is :mod:`thaw.gateway.lambda_api`'s matter.
"""
