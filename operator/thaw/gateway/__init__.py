"""The gateway: Lambda's API and plain HTTP in front, instances from zero behind; it asks nobody on the request path."""
