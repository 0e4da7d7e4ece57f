"""PURE: what ``thaw doctor`` says of what it saw. Each check is ok, a warning or a failure, the latter two with a fix.

A failure is what keeps Thaw from working; a warning is what keeps something from working, or could not be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from thaw import __version__, names
from thaw.api.conditions import STALLED
from thaw.api.v1alpha1 import PLURALS, RESOURCES, Fingerprint, FunctionVersion, Snapshot
from thaw.cli.doctor_seen import Seen
from thaw.decide.fingerprint import unfit
from thaw.errors import ClusterError, Forbidden, NotFound
from thaw.kube.client import Object
from thaw.kube.pods import is_ready

_INSTALL = "helm upgrade --install thaw charts/thaw --namespace thaw-system --create-namespace"
_VERSION_LABEL = "app.kubernetes.io/version"


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    message: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """For programs."""
        return {"name": self.name, "status": str(self.status), "message": self.message, "fix": self.fix}


def examine(seen: Seen) -> list[Check]:
    """All checks, from the ground up; where the ground is missing, not what stands on it."""
    first = cluster(seen)
    if first.status is Status.FAIL:
        return [first]
    if not seen.installed and all(isinstance(crd, NotFound) for crd in seen.crds.values()):
        return [first, Check("thaw", Status.FAIL, f"Thaw is not installed on {seen.server}", _INSTALL)]
    return [first, *(check for chapter in CHAPTERS for check in chapter(seen))]


def cluster(seen: Seen) -> Check:
    """The API server."""
    if isinstance(seen.version, ClusterError):
        fix = "start the cluster, or choose another with --context, --kubeconfig or KUBECONFIG"
        return Check("cluster", Status.FAIL, f"{seen.server}: {seen.version.message}", fix)
    return Check("cluster", Status.OK, f"{seen.server}, Kubernetes {seen.version}")


def crds(seen: Seen) -> Iterator[Check]:
    """The resources: there, and with all fields that this version knows."""
    for resource in RESOURCES:
        name, found = f"crd {PLURALS[resource.kind]}", seen.crds[resource.kind]
        if isinstance(found, ClusterError):
            yield lacking(name, found, f"{resource.kind} is no resource of this cluster", _INSTALL)
            continue
        known = set(field_paths(_served(found), {}))
        schema = resource.model.model_json_schema(by_alias=True, mode="serialization")
        wanted = {path for path in field_paths(schema, schema.get("$defs", {})) if not path.startswith("metadata")}
        if missing := sorted(wanted - known):
            text = f"lacks {len(missing)} fields of Thaw {__version__}, e.g. {missing[0]}"
            yield Check(name, Status.FAIL, text, "kubectl apply --server-side -f crds/ (or upgrade the chart)")
        else:
            yield Check(name, Status.OK, f"{names.VERSION} served, all fields of Thaw {__version__}")


def workloads(seen: Seen) -> Iterator[Check]:
    """The three programs: all their pods ready, and of this version."""
    wanted = (("operator", seen.operator), ("gateway", seen.gateway), ("agent", seen.agent))
    for name, found in wanted:
        if isinstance(found, ClusterError):
            yield lacking(name, found, f"thaw-{name} is not in namespace {seen.system}", _INSTALL)
        elif found is not None:
            yield _workload(name, found, seen)


def _workload(name: str, found: Object, seen: Seen) -> Check:
    status = found.get("status", {})
    ready = status.get("numberReady", status.get("readyReplicas", 0))
    wanted = status.get("desiredNumberScheduled", found["spec"].get("replicas", 1))
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    told = f"{ready}/{wanted} ready, {image}"
    selector = f"-n {seen.system} -l {names.LABEL_COMPONENT}={name}"
    if not wanted:
        fix = "scale it up" if name != "agent" else "see the agent's nodeSelector and tolerations in the chart's values"
        return Check(name, Status.FAIL, f"no pods of it are wanted, {image}", fix)
    if ready < wanted:
        why = _why_not_ready(name, seen)
        fix = f"kubectl logs {selector}; kubectl describe pods {selector}"
        return Check(name, Status.FAIL, f"{told}{': ' if why else ''}{why}", fix)
    version = found["metadata"].get("labels", {}).get(_VERSION_LABEL, "")
    if version and version != __version__:
        fix = "upgrade the chart or this command, so that both are of one version"
        return Check(name, Status.WARN, f"{told}: version {version}, this command is {__version__}", fix)
    return Check(name, Status.OK, told)


def _why_not_ready(name: str, seen: Seen) -> str:
    pods = [] if isinstance(seen.pods, ClusterError) else seen.pods
    for pod in pods:
        if pod["metadata"].get("labels", {}).get(names.LABEL_COMPONENT) != name or is_ready(pod):
            continue
        for container in pod.get("status", {}).get("containerStatuses", []):
            waiting = container.get("state", {}).get("waiting", {})
            ended = container.get("lastState", {}).get("terminated", {})
            if reason := waiting.get("reason") or ended.get("reason"):
                return f"{pod['metadata']['name']}: {reason} {waiting.get('message', '')}".strip()
        if pod.get("status", {}).get("phase") == "Pending":
            return f"{pod['metadata']['name']} is not scheduled yet"
    return ""


def setup(seen: Seen) -> Iterator[Check]:
    """What the chart sets up beside them."""
    found = seen.runtime_class
    if isinstance(found, ClusterError):
        yield lacking("runtimeclass", found, f"there is no RuntimeClass {names.RUNTIME_CLASS}", _INSTALL)
    elif found is not None:
        right = found.get("handler") == names.RUNTIME_CLASS
        text = f"{names.RUNTIME_CLASS}, handler {found.get('handler')}"
        yield Check("runtimeclass", Status.OK if right else Status.FAIL, text, "" if right else _INSTALL)
    if isinstance(seen.admission, NotFound):
        text = "nothing keeps others from making pods that wait for Thaw's grant for ever"
        yield Check("admission policy", Status.WARN, text, "set admissionPolicy.enabled in the chart's values")
    else:
        yield _there("admission policy", seen.admission, names.ADMISSION_POLICY)
    if isinstance(seen.access_key, NotFound):
        text = f"Secret {seen.system}/{names.DEFAULT_ACCESS_KEY} is not there"
        fix = f"make a key: a Secret labelled {names.LABEL_ACCESS_KEY}=true, or set gateway.defaultAccessKey.enabled"
        yield Check("access key", Status.WARN, text, fix)
    else:
        yield _there("access key", seen.access_key, f"Secret {names.DEFAULT_ACCESS_KEY}")


def _there(name: str, found: Object | ClusterError | None, text: str) -> Check:
    if isinstance(found, ClusterError):
        return lacking(name, found, found.message, "")
    return Check(name, Status.OK, text)


def gateways(seen: Seen) -> Iterator[Check]:
    """Whether the gateways are well, and answer whom this command calls as."""
    for pod, trouble in seen.health.items():
        if trouble:
            fix = f"kubectl logs -n {seen.system} {pod}"
            yield Check(f"gateway {pod}", Status.FAIL, f"its health check says: {trouble}", fix)
        else:
            yield Check(f"gateway {pod}", Status.OK, "healthy")
    if seen.call is None:
        return
    if seen.call.trouble:
        fix = "until then thaw invoke cannot work; kubectl and manifests can"
        status = Status.FAIL if seen.call.made else Status.WARN
        yield Check("gateway call", status, f"by {seen.call.where}: {seen.call.trouble}", fix)
    else:
        yield Check("gateway call", Status.OK, f"answers by {seen.call.where} to {seen.call.who}")


def nodes(seen: Seen) -> Iterator[Check]:
    """Each node: whether it can checkpoint and restore, what it runs, and whether its store is reachable."""
    if isinstance(seen.nodes, ClusterError):
        yield lacking("nodes", seen.nodes, seen.nodes.message, "ask an administrator to run thaw doctor")
        return
    agents = _agents(seen)
    checks = [check for node in seen.nodes for check in _node(node, agents, seen.system)]
    able = [node for node in seen.nodes if _label(node) == "supported"]
    if not able:
        text = f"none of {len(seen.nodes)} nodes can checkpoint: no function can be snapshotted, and none can start"
        yield Check("nodes", Status.FAIL, text, "see each node below")
    yield from checks
    yield from _unlike(able)


def _agents(seen: Seen) -> dict[str, Object]:
    pods = () if isinstance(seen.pods, ClusterError) else seen.pods
    chosen = (pod for pod in pods if pod["metadata"].get("labels", {}).get(names.LABEL_COMPONENT) == "agent")
    return {pod["spec"].get("nodeName", ""): pod for pod in chosen}


def _node(node: Object, agents: Mapping[str, Object], system: str) -> Iterator[Check]:
    meta = node["metadata"]
    title, agent = f"node {meta['name']}", agents.get(meta["name"])
    log = f"kubectl logs -n {system} {agent['metadata']['name']}" if agent else ""
    annotations = meta.get("annotations", {})
    if _label(node) == "unsupported":
        reason = annotations.get(names.ANNOTATION_CHECKPOINT_REASON, "no reason given")
        yield Check(title, Status.WARN, f"cannot checkpoint: {reason}", node_fix(reason, log))
    elif _label(node) != "supported":
        fix = log or "agent.tolerations and agent.nodeSelector in the chart's values choose the nodes"
        yield Check(title, Status.WARN, "no agent has told what it can do: it gets no functions", fix)
    elif agent is None or not is_ready(agent):
        text = "can checkpoint, but its agent is not ready: nothing starts there now"
        yield Check(title, Status.FAIL, text, log or f"kubectl get pods -n {system} -o wide")
    else:
        yield Check(title, Status.OK, f"can checkpoint: {_equipment(node)}")
    if trouble := annotations.get(names.ANNOTATION_STORE_REASON):
        fix = "check store.url, its credentials and its volume in the chart's values; then " + (log or "wait a minute")
        yield Check(f"store of {meta['name']}", Status.FAIL, f"the snapshot store does not work: {trouble}", fix)


def node_fix(reason: str, log: str) -> str:
    """What makes a node able that gives this reason.

    :param log: the command that shows its agent's log; empty without an agent.
    """
    if "CRIU" in reason and ("not installed" in reason or "too old" in reason):
        return "install CRIU 4.2 or newer on it, e.g. apt-get install criu; then delete its agent's pod"
    if "ContainerCheckpoint" in reason:
        return "set featureGates.ContainerCheckpoint: true in the kubelet's configuration and restart it"
    if "criu check" in reason:
        return "its kernel lacks what CRIU needs: run criu check --all on it"
    return log or "let an agent run on it: agent.tolerations and agent.nodeSelector in the chart's values"


def _equipment(node: Object) -> str:
    info, print_ = node.get("status", {}).get("nodeInfo", {}), _fingerprint(node)
    parts = [f"kubelet {info.get('kubeletVersion', '?')}", info.get("containerRuntimeVersion", "?")]
    parts += [f"runc {print_.runc}", f"CRIU {print_.criu}", f"Linux {print_.kernel}"] if print_ else []
    return ", ".join(str(part).replace("://", " ") for part in parts)


def _unlike(able: Sequence[Object]) -> Iterator[Check]:
    """Nodes between which snapshots cannot travel."""
    prints = [(node["metadata"]["name"], found) for node in able if (found := _fingerprint(node))]
    for name, found in prints:
        for other, its in prints:
            if why := unfit(found, its):
                text = f"snapshots taken on {name} cannot be restored on {other}: {why}"
                fix = "starts there are cold; use nodes of one kind for functions, by agent.nodeSelector"
                yield Check("nodes differ", Status.WARN, text, fix)
                return


def work(seen: Seen) -> Iterator[Check]:
    """Versions and snapshots that somebody has to look after."""
    if isinstance(seen.versions, ClusterError):
        yield lacking("versions", seen.versions, seen.versions.message, "")
    else:
        yield from _versions(seen.versions)
    if isinstance(seen.snapshots, ClusterError):
        yield lacking("snapshots", seen.snapshots, seen.snapshots.message, "")
    else:
        yield from _snapshots(seen.snapshots)


def _versions(found: Sequence[FunctionVersion]) -> Iterator[Check]:
    bad = [version for version in found if version.status.state == "Failed" or _stalled(version)]
    if not bad:
        yield Check("versions", Status.OK, f"{len(found)}, none Failed or stalled")
    for version in bad:
        status, meta = version.status, version.metadata
        text = f"{status.state or 'Pending'}: {status.state_reason_code}: {status.state_reason}"
        fix = f"mend the function and publish again: thaw publish {version.spec.function_name} -n {meta.namespace}"
        yield Check(f"version {meta.namespace}/{meta.name}", Status.WARN, " ".join(text.split()), fix)


def _stalled(version: FunctionVersion) -> bool:
    return any(c.type == STALLED and c.status == "True" for c in version.status.conditions)


def _snapshots(found: Sequence[Snapshot]) -> Iterator[Check]:
    well = True
    for snapshot in found:
        meta, status = snapshot.metadata, snapshot.status
        of = f"{snapshot.spec.function_name}:{snapshot.spec.version}"
        fix = f"thaw snapshots recycle {of} -n {meta.namespace}"
        name = f"snapshot {meta.namespace}/{meta.name}"
        if status.phase == "Quarantined":
            well = False
            yield Check(name, Status.WARN, f"of {of} is quarantined: {status.message}", fix)
        for node, why in sorted(status.unusable.items()):
            well = False
            text = f"of {of} was not restored on {node}, {why.times} times: {why.cause}: {why.message}"
            yield Check(name, Status.WARN, " ".join(text.split()), fix)
    if well:
        yield Check("snapshots", Status.OK, f"{len(found)}, all usable")


CHAPTERS: tuple[Callable[[Seen], Iterator[Check]], ...] = (crds, workloads, setup, gateways, nodes, work)


# ---------------------------------------------------------------- helpers


def lacking(name: str, error: ClusterError, missing: str, fix: str) -> Check:
    """What could not be had: not there, not allowed to look, or no answer."""
    if isinstance(error, NotFound):
        return Check(name, Status.FAIL, missing, fix)
    if isinstance(error, Forbidden):
        text = "you may not look at this, which says nothing of whether it works"
        return Check(name, Status.WARN, text, "ask an administrator to run thaw doctor")
    return Check(name, Status.FAIL, error.message, "try again; if it stays so, look at the API server")


def field_paths(node: Mapping[str, Any], defs: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The dotted paths of all fields of a JSON schema, be it a model's or a CRD's.

    :param defs: what ``$ref`` names.
    """
    node = _flat(node, defs)
    for name, child in node.get("properties", {}).items():
        yield f"{above}{name}"
        yield from field_paths(child, defs, f"{above}{name}.")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), Mapping):
            yield from field_paths(node[key], defs, above)


def _flat(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        return _flat(defs[node["$ref"].rpartition("/")[2]], defs)
    for choice in node.get("anyOf", ()):
        if choice != {"type": "null"}:
            return _flat(choice, defs)
    return node


def _served(crd: Object) -> Mapping[str, Any]:
    for version in crd["spec"]["versions"]:
        if version["name"] == names.VERSION and version.get("served"):
            schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
            return schema
    return {}


def _label(node: Object) -> str:
    return str(node["metadata"].get("labels", {}).get(names.LABEL_CHECKPOINT, ""))


def _fingerprint(node: Object) -> Fingerprint | None:
    noted = node["metadata"].get("annotations", {}).get(names.ANNOTATION_FINGERPRINT, "")
    try:
        return Fingerprint.model_validate_json(noted) if noted else None
    except ValidationError:
        return None
