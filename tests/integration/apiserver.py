"""A real API server: etcd and kube-apiserver on loopback, with keys of its own, gone without a trace afterwards.

Nothing else of a cluster runs: pods stay Pending, owners take no dependants along, namespaces are never finalised.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

READY_SECONDS = 60.0
LOOPBACK = "127.0.0.1"
ISSUER = "https://kubernetes.default.svc"


class Missing(Exception):
    """The programs are not on this machine."""


@dataclass(frozen=True)
class Binaries:
    """Where the programs are."""

    etcd: Path
    kube_apiserver: Path
    """May be the multi-call ``kubernetes``, which is what it is called."""


CACHE = Path(os.environ.get("THAW_CACHE") or Path.home() / ".cache" / "thaw")


def find_binaries() -> Binaries:
    """Looks in ``$THAW_KUBE_BIN``, in hack/'s cache and in ``PATH``, and at last in the node of a kind cluster.

    :raises Missing: naming the program and what to do.
    """
    return Binaries(_find("etcd"), _find("kube-apiserver"))


def _find(name: str) -> Path:
    # What hack/node-image/assembled builds lies in folders named by hashes: the newest is the current one.
    built = sorted(CACHE.glob("go/*/"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    folders = [os.environ.get("THAW_KUBE_BIN"), str(CACHE / "bin"), *map(str, built), os.environ.get("PATH")]
    path = os.pathsep.join(folder for folder in folders if folder)
    if found := shutil.which(name, path=path):
        return Path(found)
    if name.startswith("kube") and (multi := shutil.which("kubernetes", path=path)):
        return Path(multi)
    if taken := _take_from_node(name, CACHE / "bin"):
        return taken
    raise Missing(f"no {name}: run hack/cluster up once, or set THAW_KUBE_BIN to a folder that has it")


def _take_from_node(name: str, folder: Path) -> Path | None:
    """Copies the program that a kind cluster's control plane is running, whose image does not lie on this machine."""
    if shutil.which("docker") is None:
        return None
    listing = ["docker", "ps", "-q", "--filter=label=io.x-k8s.kind.role=control-plane"]
    nodes = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.split()
    script = f'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != {name} ] || exec cat $p/exe; done; exit 1'
    for node in nodes:
        taken = subprocess.run(["docker", "exec", node, "sh", "-c", script], capture_output=True, check=False)
        if taken.returncode == 0 and taken.stdout[:4] == b"\x7fELF":
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f"{name}.{os.getpid()}.part"
            part.write_bytes(taken.stdout)
            part.chmod(0o755)
            return part.rename(folder / name)
    return None


@contextlib.contextmanager
def running(folder: Path, binaries: Binaries) -> Iterator[Path]:
    """Starts both programs in ``folder``, yields the path of an administrator's kubeconfig, stops them."""
    client_port, peer_port, port = _free_ports(3)
    _write_keys(folder)
    token = secrets.token_urlsafe(24)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    (folder / "tokens.csv").chmod(0o600)
    etcd_url = f"http://{LOOPBACK}:{client_port}"
    etcd_peer = f"http://{LOOPBACK}:{peer_port}"
    etcd = (
        str(_called("etcd", binaries.etcd, folder)),
        "--name=thaw",
        f"--data-dir={folder / 'etcd-data'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={etcd_peer}",
        f"--initial-advertise-peer-urls={etcd_peer}",
        f"--initial-cluster=thaw={etcd_peer}",
        "--unsafe-no-fsync",
        "--log-level=error",
    )
    apiserver = (
        str(_called("kube-apiserver", binaries.kube_apiserver, folder)),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'unused'}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        f"--service-account-key-file={folder / 'accounts.pub'}",
        f"--api-audiences={ISSUER}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
        "--profiling=false",
    )
    server = f"https://{LOOPBACK}:{port}"
    with _process(folder, "etcd", etcd), _process(folder, "kube-apiserver", apiserver) as process:
        _wait_until_ready(server, token, folder, process)
        yield _kubeconfig(folder, server, token)


def _called(name: str, program: Path, folder: Path) -> Path:
    """The program under that very name."""
    link = folder / name
    link.symlink_to(program.resolve())
    return link


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def _process(folder: Path, name: str, command: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(2)  # a server that drains its watches takes longer, and nothing of it is wanted
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(server: str, token: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    request = urllib.request.Request(f"{server}/readyz", headers={"Authorization": f"Bearer {token}"})
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, context=context, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    tail = (folder / "kube-apiserver.log").read_text(errors="replace").splitlines()[-15:]
    raise RuntimeError("kube-apiserver did not become ready; its last lines:\n" + "\n".join(tail))


def _kubeconfig(folder: Path, server: str, token: str) -> Path:
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "thaw",
                "contexts": [{"name": "thaw", "context": {"cluster": "thaw", "user": "admin"}}],
                "clusters": [
                    {
                        "name": "thaw",
                        "cluster": {"server": server, "certificate-authority": str(folder / "ca.crt")},
                    }
                ],
                "users": [{"name": "admin", "user": {"token": token}}],
            }
        )
    )
    return path


def _write_keys(folder: Path) -> None:
    """A CA, the server's certificate, and the key pair that signs service accounts' tokens."""
    ca_key, server_key, accounts_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "thaw tests")])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )

    ca = (
        certificate(ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
    server = (
        certificate(server_name, server_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(ca.public_bytes(pem))
    (folder / "server.crt").write_bytes(server.public_bytes(pem))
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "accounts.pub").write_bytes(accounts_key.public_key().public_bytes(pem, public))
    for name, key in (("server.key", server_key), ("accounts.key", accounts_key)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


def _usage(*, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Kubectl:
    """``kubectl`` as the administrator of one API server, for what is not asked over and over: a call takes 0.1 s."""

    kubeconfig: Path

    @property
    def _cache(self) -> Path:
        return self.kubeconfig.parent / "kubectl-cache"

    def await_group(self, group_version: str, resources: set[str]) -> None:
        """Waits until the server offers resources made a moment ago, and makes kubectl look anew.

        :raises AssertionError: it does not within 20 s.
        """
        for path in (f"/apis/{group_version}", f"/openapi/v3/apis/{group_version}"):
            deadline = time.monotonic() + 20
            while not all(f'{name}"' in self.run("get", "--raw", path, check=False).stdout for name in resources):
                assert time.monotonic() < deadline, f"{path} does not have all of {resources}"
                time.sleep(0.1)
        for name in resources:
            # Until its storage is up, a resource that is offered answers 429.
            while self.run("get", "--raw", f"/apis/{group_version}/{name}", check=False).returncode != 0:
                assert time.monotonic() < deadline, f"{name} cannot be listed"
                time.sleep(0.1)
        shutil.rmtree(self._cache, ignore_errors=True)

    def run(self, *arguments: str, stdin: object = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs it; ``stdin`` may be an object, a list of objects, or text.

        :raises AssertionError: it failed, with what it wrote.
        """
        text = stdin if isinstance(stdin, str) else None if stdin is None else json.dumps(as_list(stdin))
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self._cache}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done

    def __call__(self, *arguments: str, stdin: object = None) -> str:
        """Runs it and returns what it printed."""
        return self.run(*arguments, stdin=stdin).stdout


def as_list(objects: object) -> object:
    """Several objects as one that kubectl reads."""
    return {"apiVersion": "v1", "kind": "List", "items": objects} if isinstance(objects, list) else objects
