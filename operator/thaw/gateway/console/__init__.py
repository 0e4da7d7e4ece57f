"""The console: a page that needs nothing but this gateway. What it asks is Lambda's API and ``/thaw/v1``."""
