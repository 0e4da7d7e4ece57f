import json
import os
import urllib.request

import boto3
import botocore.session
import requests
from aws_lambda_powertools.utilities import parameters
from requests_aws4auth import AWS4Auth

SERVICE = "secretsmanager"
s3 = boto3.client("s3", aws_access_key_id="AKIA", aws_secret_access_key="x")  # expect: TH301
session = boto3.Session(aws_session_token=os.environ["AWS_SESSION_TOKEN"])  # expect: TH301, TH303
table = boto3.resource("dynamodb", aws_access_key_id="AKIA").Table("t")  # expect: TH301
keys = boto3.Session().get_credentials()
auth = AWS4Auth(keys.access_key, keys.secret_key, "eu-west-1", "es")  # expect: TH302, TH302
frozen = botocore.session.get_session().get_credentials().get_frozen_credentials()  # expect: TH302
role = boto3.client("sts").assume_role(RoleArn="arn", RoleSessionName="x")["Credentials"]  # expect: TH302
assumed = boto3.Session(  # expect: TH301
    aws_access_key_id=role["AccessKeyId"],
)


def secret(name):
    client = boto3.client(service_name=SERVICE)
    return json.loads(client.get_secret_value(SecretId=name)["SecretString"])  # expect: TH202


PASSWORD = secret("db")["password"]
LIMIT = boto3.session.Session().client("ssm").get_parameter(Name="limit")["Parameter"]["Value"]  # expect: TH202
FLAG = parameters.get_parameter("/flag")  # expect: TH202
PRICES = requests.get("https://prices.example").json()  # expect: TH203
with urllib.request.urlopen("https://issuer.example/keys") as answer:  # expect: TH203
    KEYS = json.loads(answer.read())["keys"]


def handler(event, context):
    return [PASSWORD, LIMIT, FLAG, PRICES, KEYS, os.getenv("AWS_ACCESS_KEY_ID")]  # expect: TH303
