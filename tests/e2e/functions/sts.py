"""An STS for tests: checks a service account's token as AWS would, and answers what it saw."""

import base64
import hashlib
import http.server
import json
import os
import time
import urllib.parse

KEYS = {key["kid"]: key for key in json.loads(os.environ["JWKS"])["keys"]}
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA{0}</AccessKeyId><SecretAccessKey>{1}</SecretAccessKey>
<SessionToken>{2}</SessionToken><Expiration>{3}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
REFUSAL = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>{}</Message></Error></ErrorResponse>"


def unpack(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims(token):
    """A token's claims, if it is signed by the cluster (RS256, RFC 8017), for us, and not expired."""
    signed, _, signature = token.rpartition(".")
    head, body = (json.loads(unpack(part)) for part in signed.split("."))
    key = KEYS[head["kid"]]
    modulus, exponent = (int.from_bytes(unpack(key[part])) for part in "ne")
    opened = pow(int.from_bytes(unpack(signature)), exponent, modulus).to_bytes((modulus.bit_length() + 7) // 8)
    digest = SHA256_PREFIX + hashlib.sha256(signed.encode()).digest()
    assert opened == b"\0\1".ljust(len(opened) - len(digest) - 1, b"\xff") + b"\0" + digest, "the signature is wrong"
    assert body["aud"] == ["sts.amazonaws.com"], f"for {body['aud']}"
    assert body["exp"] > time.time(), "expired"
    return body


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        try:
            assert form["Action"] == "AssumeRoleWithWebIdentity", form["Action"]
            saw = {
                "claims": claims(form["WebIdentityToken"]),
                "role": form["RoleArn"],
                "session": form["RoleSessionName"],
            }
            until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
            session = base64.b64encode(json.dumps(saw).encode()).decode()
            status, answer = 200, ANSWER.format(os.urandom(8).hex().upper(), os.urandom(20).hex(), session, until)
        except Exception as e:
            status, answer = 400, REFUSAL.format(f"{type(e).__name__}: {e}")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer.encode())


http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
