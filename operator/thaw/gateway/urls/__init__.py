"""Function URLs: HTTP for callers that know no AWS API (Lambda developer guide, "Lambda function URLs")."""
