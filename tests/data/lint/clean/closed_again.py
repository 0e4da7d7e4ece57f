"""Connections that are over when the import is."""
import contextlib
import socket
import subprocess
import threading

import boto3
import psycopg2
import requests

with psycopg2.connect("dbname=shop") as conn:
    with conn.cursor() as cur:
        cur.execute("select name from countries")
        COUNTRIES = [row[0] for row in cur.fetchall()]

with contextlib.closing(socket.create_connection(("example.com", 80))) as probe:
    probe.sendall(b"\n")

admin = psycopg2.connect("dbname=admin")
try:
    LIMITS = dict(admin.cursor().fetchall())
finally:
    admin.close()


def load():
    connection = psycopg2.connect("dbname=shop")
    cursor = connection.cursor()
    cursor.execute("select 1")
    return cursor.fetchone()


ONE = load()

VERSION = subprocess.run(["git", "--version"], capture_output=True, check=True).stdout
worker = threading.Thread(target=load)
worker.start()
worker.join()

s3 = boto3.client("s3")
MODEL = s3.get_object(Bucket="models", Key="model.bin")["Body"].read()
s3.close()


def handler(event, context):
    return [COUNTRIES, LIMITS, ONE, len(MODEL)]
