"""Packs one root file system as an OCI archive under one or several image names. Standard library only.

usage: oci_archive.py ROOTFS ARCHIVE NAME[=ENTRYPOINT]...
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OCI = "application/vnd.oci.image"


class Blobs:
    """The archive's blobs, named by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs" / "sha256"
        self.folder.mkdir(parents=True)

    def add(self, media_type: str, path: Path) -> dict:
        """Moves a file in; gives its descriptor."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        path.rename(self.folder / digest)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}

    def add_json(self, media_type: str, content: dict) -> dict:
        """Writes a document; gives its descriptor."""
        path = self.folder / "new"
        path.write_text(json.dumps(content))
        return self.add(media_type, path)


def image(blobs: Blobs, layer: dict, name: str, entrypoint: str) -> dict:
    """One named image over the layer; gives its entry in the index."""
    config: dict = {"Env": [PATH], "Labels": {"org.opencontainers.image.ref.name": name}}
    if entrypoint:
        config["Entrypoint"] = [entrypoint]
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    described = blobs.add_json(f"{OCI}.config.v1+json", {"architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs})
    manifest_type = f"{OCI}.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": described, "layers": [layer]}
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    return blobs.add_json(manifest_type, manifest) | {"annotations": annotations}


def main(rootfs: str, archive: str, *names: str) -> None:
    """Packs the archive."""
    with tempfile.TemporaryDirectory(dir=Path(archive).parent) as temporary:
        folder = Path(temporary)
        blobs = Blobs(folder)
        packed = folder / "layer.tar"
        subprocess.run(["tar", "-C", rootfs, "-cf", packed, "--sort=name", "--numeric-owner", "."], check=True)
        layer = blobs.add(f"{OCI}.layer.v1.tar", packed)
        index = [image(blobs, layer, *name.partition("=")[::2]) for name in names]
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": index}))
        (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
        with tarfile.open(archive, "w") as tar:
            for name in ("oci-layout", "index.json", "blobs"):
                tar.add(folder / name, arcname=name)


if __name__ == "__main__":
    main(*sys.argv[1:])
