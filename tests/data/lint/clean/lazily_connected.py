"""Pools and clients which connect on first use."""
import functools
import os
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg2
import psycopg_pool
import pymongo
import redis
import requests
import sqlalchemy
from sqlalchemy.orm import sessionmaker

session = requests.Session()
session.headers.update({"User-Agent": "shop/1.0"})
session.mount("https://", requests.adapters.HTTPAdapter(max_retries=3))
http = httpx.Client(timeout=5)
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"], pool_pre_ping=True)
Session = sessionmaker(bind=engine)
cache = redis.Redis(host=os.environ["CACHE_HOST"], port=6379, decode_responses=True)
other = redis.from_url("redis://cache")
mongo = pymongo.MongoClient(os.environ["MONGO_URL"], connect=False)
orders = mongo["shop"]["orders"]
pool = psycopg_pool.ConnectionPool("dbname=shop", open=False)
executor = ThreadPoolExecutor(max_workers=4)
connection = None


@functools.lru_cache(maxsize=1)
def settings():
    return requests.get("https://settings.example/v1").json()


def get_connection():
    global connection
    if connection is None or connection.closed:
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
    return connection


def handler(event, context):
    with get_connection().cursor() as cursor:
        cursor.execute("select 1")
    executor.submit(print, "done")
    return cache.get(event["key"]) or session.get("https://example.com").text
