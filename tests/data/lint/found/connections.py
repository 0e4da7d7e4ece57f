import http.client
import socket
from os import environ

import boto3
import mysql.connector
import psycopg
import psycopg2
import pymongo
import pymysql
import redis
import requests
import sqlalchemy
from psycopg_pool import ConnectionPool

dbapi = psycopg2.connect(environ["DATABASE_URL"])  # expect: TH401
cursor = pymysql.connect(host="db").cursor()  # expect: TH401
my = mysql.connector.connect(host="db")  # expect: TH401
mongo = pymongo.MongoClient("mongodb://db")["shop"]  # expect: TH401
pool = ConnectionPool("dbname=shop")  # expect: TH401
raw = socket.create_connection(("example.com", 80))  # expect: TH401
plain = socket.socket()
plain.connect(("example.com", 80))  # expect: TH401
web = http.client.HTTPSConnection("example.com")
web.request("GET", "/")  # expect: TH401
cache = redis.Redis()
cache.ping()  # expect: TH401
engine = sqlalchemy.create_engine("postgresql://db")
connection = engine.connect()  # expect: TH401
session = requests.Session()
PAGE = session.get("https://example.com").text  # expect: TH402
sqs = boto3.client("sqs")
QUEUE = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]  # expect: TH402
table = boto3.resource("dynamodb").Table("settings")
ITEM = table.get_item(Key={"id": "x"})["Item"]  # expect: TH402


class Repository:
    def __init__(self):
        self.connection = psycopg.connect("dbname=shop")  # expect: TH401


repository = Repository()
with dbapi:
    dbapi.cursor().execute("select 1")


def handler(event, context):
    return repository
