import random
import secrets
from os import urandom
from random import Random

import numpy
from Crypto.Random import get_random_bytes
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa

SALT = urandom(16)  # expect: TH102
TOKEN = secrets.token_hex(8)  # expect: TH102
NONCE = get_random_bytes(12)  # expect: TH102
box = Fernet(Fernet.generate_key())  # expect: TH102
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # expect: TH102
random.seed(42)  # expect: TH103
numpy.random.seed(42)  # expect: TH103
rng = Random(42)  # expect: TH103
legacy = numpy.random.RandomState(1)  # expect: TH103
modern = numpy.random.default_rng()  # expect: TH103


class Dice:
    generator = random.Random()  # expect: TH103


def handler(event, context):
    return rng.random()
