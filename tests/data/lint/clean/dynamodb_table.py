"""A table resource and a client made once, used by each request."""
import json
import os
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config

TABLE_NAME = os.environ["TABLE_NAME"]
REGION = os.environ.get("AWS_REGION", "eu-central-1")
config = Config(retries={"max_attempts": 3}, connect_timeout=2)
dynamodb = boto3.resource("dynamodb", region_name=REGION, config=config)
table = dynamodb.Table(TABLE_NAME)
client = boto3.client("dynamodb")
paginator = client.get_paginator("scan")


class DecimalEncoder(json.JSONEncoder):
    def default(self, o):
        return float(o) if isinstance(o, Decimal) else super().default(o)


def lambda_handler(event, context):
    if event["httpMethod"] == "POST":
        table.put_item(Item=json.loads(event["body"], parse_float=Decimal))
        return {"statusCode": 201}
    found = table.query(KeyConditionExpression=Key("id").eq(event["pathParameters"]["id"]))
    return {"statusCode": 200, "body": json.dumps(found["Items"], cls=DecimalEncoder)}
