"""The command ``thaw``: one module a command, put together in :mod:`thaw.cli.main`."""
