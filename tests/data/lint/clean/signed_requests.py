"""Signs with credentials that renew themselves."""
import boto3
from opensearchpy import OpenSearch, RequestsHttpConnection
from requests_aws4auth import AWS4Auth

credentials = boto3.Session().get_credentials()
auth = AWS4Auth(region="eu-central-1", service="es", refreshable_credentials=credentials)
search = OpenSearch(hosts=["https://search.example"], http_auth=auth, connection_class=RequestsHttpConnection)


def handler(event, context):
    frozen = boto3.Session().get_credentials().get_frozen_credentials()
    sts = boto3.client("sts")
    role = sts.assume_role(RoleArn=event["role"], RoleSessionName="x")["Credentials"]
    other = boto3.client("s3", aws_access_key_id=role["AccessKeyId"], aws_secret_access_key=role["SecretAccessKey"])
    return [frozen.access_key[:4], other.list_buckets(), search.info()]
