"""Deployment packages of every runtime, made as its users make them: with the language's own tools."""

from __future__ import annotations

import functools
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from e2e.support import DATA

NUMPY = "numpy==2.3.5"


@functools.cache
def python(runtime: str) -> bytes:
    return _zip({"app.py": (DATA / "python" / "app.py").read_bytes()})


@functools.cache
def python_with_numpy(runtime: str) -> bytes:
    """Numpy for the runtime's Python beside it: a wheel is a zip of what is installed."""
    with _folder() as folder:
        version = runtime.removeprefix("python")
        _run(
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder),
            "--python-version", version, "--platform", f"manylinux_2_28_{platform.machine()}", NUMPY,
        )  # fmt: skip
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            files = {n: wheel.read(n) for n in wheel.namelist() if not n.endswith("/") and "/tests/" not in n}
    return _zip(files | {"app.py": (DATA / "python" / "app.py").read_bytes()})


@functools.cache
def nodejs(runtime: str) -> bytes:
    return _zip({"index.mjs": (DATA / "nodejs" / "index.mjs").read_bytes()})


@functools.cache
def java(runtime: str) -> bytes:
    """Classes at the root, compiled against what the runtime's own image has."""
    with _folder() as folder:
        _compile(folder, runtime)
        return _zip({str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.class")})


@functools.cache
def java_with_library(runtime: str) -> bytes:
    """The classes in a jar, in lib/."""
    with _folder() as folder:
        _compile(folder, runtime)
        jar = _zip({str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.class")})
    return _zip({"lib/app.jar": jar})


@functools.cache
def provided(runtime: str, mode: int = 0o755) -> bytes:
    """A bootstrap of Go's; Lambda wants its mode in the zip."""
    if not shutil.which("go"):
        _cannot("no Go: install Go 1.26 or newer")
    with _folder() as folder:
        out = folder / "bootstrap"
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        command = ("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(out), ".")
        _run(*command, cwd=DATA / "provided", env=environment)
        return _zip({"bootstrap": out.read_bytes()}, mode)


def provided_without_modes(runtime: str) -> bytes:
    """As a zip made on Windows has it."""
    return provided(runtime, 0)


def _compile(folder: Path, runtime: str) -> None:
    if not shutil.which("javac"):
        _cannot("no JDK: install one of 17 or newer (Debian's package openjdk-17-jdk-headless)")
    with _folder() as libraries:
        image = f"thaw.dev/runtime-{runtime}:dev"
        container = _run("docker", "create", image).strip()
        try:
            _run("docker", "cp", f"{container}:/var/runtime/lib/.", str(libraries))
        finally:
            _run("docker", "rm", container)
        sources = [str(f) for f in (DATA / "java").rglob("*.java")]
        _run("javac", "--release", "17", "-cp", f"{libraries}/*", "-d", str(folder), *sources)


def _zip(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16 or 0x20
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


class _folder(tempfile.TemporaryDirectory):  # type: ignore[type-arg]
    """A temporary folder, as a Path."""

    def __enter__(self) -> Path:
        return Path(super().__enter__())


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, cwd=cwd, env=env)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def _cannot(reason: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
