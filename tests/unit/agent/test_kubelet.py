"""The kubelet's answers, and its certificate."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from thaw.agent.incluster import Identity
from thaw.agent.kubelet import Kubelet, criu_line, failure
from thaw.agent.options import AgentSettings
from thaw.errors import CheckpointError

CRIU = (
    "rpc error: code = Unknown desc = checkpointing of ns/pod/function failed (runc did not terminate: exit "
    "status 1: criu failed: type NOTIFY errno 0\n(00.012) Error (criu/cr-dump.c:2098): Dumping FAILED.\n"
    "(00.010) Error (criu/sk-inet.c:188): inet: Connected TCP socket, consider using --tcp-established option.\n)"
)


def test_the_line_that_matters() -> None:
    assert criu_line(CRIU) == (
        "Error (criu/sk-inet.c:188): inet: Connected TCP socket, consider using --tcp-established option."
    )
    assert (
        criu_line("x Error (criu/cr-dump.c:2098): Dumping FAILED.\n") == "Error (criu/cr-dump.c:2098): Dumping FAILED."
    )
    assert criu_line("no room left") == "no room left"
    assert criu_line(" ") == "the kubelet gave no reason"
    assert len(criu_line("x" * 100_000)) <= 600


@pytest.mark.parametrize(
    ("status", "text", "code", "retryable", "says"),
    [
        (404, "404 page not found", "NotFound", False, "feature gate ContainerCheckpoint"),
        (404, "", "NotFound", False, "feature gate ContainerCheckpoint"),
        (404, 'container "function" not found in pod', "NotFound", True, "not found in pod"),
        (404, "pod does not exist", "NotFound", True, "pod does not exist"),
        (
            403,
            "Forbidden (user=x, verb=create, resource=nodes, subresource(s)=[checkpoint])",
            "Forbidden",
            False,
            "may not",
        ),
        (401, "Unauthorized", "Forbidden", False, "may not"),
        (500, CRIU, "CheckpointFailed", True, "sk-inet.c"),
    ],
)
def test_each_no(status: int, text: str, code: str, retryable: bool, says: str) -> None:
    error = failure(status, text)
    assert (error.code, error.retryable) == (code, retryable)
    assert says in error.message


# ---------------------------------------------------------------- against a server with a certificate of its own


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node@1")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "kubelet.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + cert.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Server:
    """A kubelet that answers what it is told."""

    def __init__(self, pem: Path) -> None:
        self.pem, self.seen = pem, []
        self.answer_now = lambda: web.json_response({"items": ["/var/lib/kubelet/checkpoints/checkpoint-x.tar"]})

    async def start(self) -> int:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.seen.append((request.method, request.path_qs, request.headers.get("Authorization")))
            return self.answer_now()

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handle)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self.pem)
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        return self.runner.addresses[0][1]


@pytest.fixture
async def server(tmp_path: Path):
    found = Server(certificate(tmp_path))
    found.port = await found.start()
    yield found
    await found.runner.cleanup()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as found:
        yield found


def account(folder: Path, ca: Path) -> Identity:
    folder.mkdir()
    (folder / "token").write_text("secret\n")
    (folder / "ca.crt").write_bytes(b"-----BEGIN CERT" + ca.read_bytes().split(b"-----BEGIN CERT")[1])
    return Identity(folder)


def kubelet(server: Server, identity: Identity, session, **settings) -> Kubelet:
    return Kubelet(AgentSettings(node_ip="127.0.0.1", kubelet_port=server.port, **settings), identity, session)


async def test_the_call_and_its_answer(server: Server, session, tmp_path: Path) -> None:
    found = kubelet(
        server, account(tmp_path / "sa", server.pem), session, checkpoint_timeout=30, kubelet_insecure_tls=False
    )
    assert await found.checkpoint("ns", "pod", "function") == Path("/var/lib/kubelet/checkpoints/checkpoint-x.tar")
    assert server.seen == [("POST", "/checkpoint/ns/pod/function?timeout=30", "Bearer secret")]


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (404, "pod does not exist", ""),
        (404, "404 page not found\n", "feature gate ContainerCheckpoint"),
        (401, "Unauthorized", ""),
        (500, "the API server is away", ""),
    ],
)
async def test_a_kubelet_without_the_call_is_told_from_one_that_knows_no_such_pod(
    server: Server, session, tmp_path: Path, status: int, text: str, says: str
) -> None:
    server.answer_now = lambda: web.Response(status=status, text=text)
    found = await kubelet(server, account(tmp_path / "sa", server.pem), session).preflight()
    assert says in found
    assert bool(found) is bool(says)
    assert server.seen[0][:2] == ("POST", "/checkpoint/thaw-system/thaw-preflight/thaw-preflight?timeout=180")


async def test_a_kubelet_that_cannot_be_asked_is_not_called_unable(server: Server, session, tmp_path: Path) -> None:
    identity = account(tmp_path / "sa", server.pem)
    await server.runner.cleanup()
    assert await kubelet(server, identity, session).preflight() == ""


async def test_a_certificate_of_its_own_is_a_setting(server: Server, session, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = account(tmp_path / "sa", certificate(tmp_path / "other"))
    with pytest.raises(CheckpointError) as e:
        await kubelet(server, stranger, session, kubelet_insecure_tls=False).checkpoint("ns", "pod", "function")
    assert (e.value.code, e.value.retryable) == ("Unreachable", True)
    assert server.seen == []
    await kubelet(server, stranger, session, kubelet_insecure_tls=True).checkpoint("ns", "pod", "function")
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", ["", "[]", '{"items": []}', '{"items": ["a", "b"]}', '{"items": [1]}', "null"])
async def test_an_answer_without_an_archive(server: Server, session, tmp_path: Path, body: str) -> None:
    server.answer_now = lambda: web.Response(text=body)
    with pytest.raises(CheckpointError, match="names no archive"):
        await kubelet(server, account(tmp_path / "sa", server.pem), session).checkpoint("ns", "pod", "function")


async def test_nobody_there(session, server: Server, tmp_path: Path) -> None:
    await server.runner.cleanup()
    with pytest.raises(CheckpointError) as e:
        await kubelet(server, account(tmp_path / "sa", server.pem), session).checkpoint("ns", "pod", "function")
    assert (e.value.code, e.value.retryable) == ("Unreachable", True)
