"""What a node can do, and what fits it."""

from __future__ import annotations

import pytest

from thaw.agent import node
from thaw.agent.host import Outcome
from thaw.agent.paths import Paths

CPU = """\
processor\t: 0
model name\t: Some CPU @ 2.1GHz
cpu MHz\t\t: 2100.000
flags\t\t: fpu sse avx

processor\t: 1
model name\t: Some CPU @ 2.1GHz
cpu MHz\t\t: 1234.000
flags\t\t: fpu sse avx
"""
GOOD = {
    "criu --version": Outcome(0, "Version: 4.2.1\nGitID: v4.2.1"),
    "runc --version": Outcome(0, "runc version 1.3.6\ncommit: x\nspec: 1.2.1\ngo: go1.24"),
    "criu check": Outcome(0, "Looks good."),
}


class FakeHost:
    def __init__(self, answers: dict[str, Outcome]) -> None:
        self.answers = answers

    async def run(self, *command: str, all_namespaces: bool = False, timeout: float = 30) -> Outcome:
        return self.answers.get(" ".join(command), Outcome(127, "not found"))


async def inspect(paths: Paths, trouble: str = "", **changes: Outcome | None):
    answers = GOOD | {key.replace("_", " ").replace("  ", " --"): value for key, value in changes.items()}
    (paths.proc / "cpuinfo").write_text(CPU)
    return await node.inspect(FakeHost({k: v for k, v in answers.items() if v}), "n1", paths.proc, trouble=trouble)


async def test_a_node_that_can(paths: Paths) -> None:
    info = await inspect(paths)
    assert (info.node, info.checkpoint, info.reason) == ("n1", True, "")
    assert (info.fingerprint.criu, info.fingerprint.runc, info.fingerprint.cpu) == (
        "4.2.1",
        "1.3.6",
        node.cpu_hash(CPU),
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"criu__version": None}, "CRIU is not installed"),
        ({"criu__version": Outcome(0, "Version: 4.1.1")}, "4.1.1 is too old"),
        ({"criu__version": Outcome(0, "Version: 3.17")}, "3.17 is too old"),
        ({"runc__version": None}, "runc is not installed"),
        ({"criu_check": Outcome(1, "Warn x\nError (criu/cr-check.c:1): no userfaultfd\nmore")}, "no userfaultfd"),
        ({"criu_check": Outcome(1, "")}, "criu check failed"),
        ({"trouble": "containerd did not come back"}, "did not come back"),
    ],
)
async def test_a_node_that_cannot_says_why(paths: Paths, changes: dict, says: str) -> None:
    info = await inspect(paths, **changes)
    assert not info.checkpoint
    assert says in info.reason


@pytest.mark.parametrize("version", ["4.2", "4.10", "5.0.1"])
async def test_versions_are_numbers_not_text(paths: Paths, version: str) -> None:
    assert (await inspect(paths, criu__version=Outcome(0, f"Version: {version}"))).checkpoint


def test_the_processor_is_its_model_and_features() -> None:
    same = CPU.replace("2100.000", "800.000").replace("fpu sse avx", "avx fpu sse")
    assert node.cpu_hash(CPU) == node.cpu_hash(same)
    others = [CPU.replace("Some CPU", "Other CPU"), CPU.replace("avx", "avx avx512f")]
    assert len({node.cpu_hash(text) for text in (CPU, *others)}) == 3
    arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"
    assert node.cpu_hash(arm) != node.cpu_hash(arm.replace("0xd0c", "0xd40"))
