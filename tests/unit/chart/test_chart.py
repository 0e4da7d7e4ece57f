"""What the chart must always be: least privilege above all."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from chart_rendering import CHART, EVERYTHING, NOTHING, Object, find, helm, render
from thaw import names
from thaw.agent.options import AgentSettings
from thaw.controller.options import OperatorSettings
from thaw.gateway.auth import accesskey
from thaw.gateway.auth.bucket import Rate
from thaw.gateway.auth.verbs import VERBS
from thaw.gateway.options import GatewaySettings
from thaw.settings import Settings

VARIANTS = pytest.mark.parametrize("variant", [(), EVERYTHING, NOTHING], ids=["defaults", "everything", "nothing"])
READ = {"get", "list", "watch"}


def rules_of(objects: list[Object], account: str, *, binding: str = "ClusterRoleBinding") -> list[Object]:
    """The rules that bindings of one kind give a service account."""
    rules: list[Object] = []
    for bound in objects:
        if bound["kind"] == binding and any(s["name"] == account for s in bound["subjects"]):
            rules += find(objects, bound["roleRef"]["kind"], bound["roleRef"]["name"])["rules"]
    return rules


def granted(rules: list[Object]) -> dict[str, set[str]]:
    """``group/resource`` → verbs, leaving out what is limited to names."""
    out: dict[str, set[str]] = {}
    for rule in rules:
        if "resourceNames" not in rule:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    out.setdefault(f"{group}/{resource}", set()).update(rule["verbs"])
    return out


def pod_templates(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for thing in objects:
        if thing["kind"] in ("Deployment", "DaemonSet", "Job"):
            yield thing["metadata"]["name"], thing["spec"]["template"]


def environment(objects: list[Object], kind: str, name: str) -> dict[str, Any]:
    container = find(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in container["env"]}


# ---------------------------------------------------------------- rights


@VARIANTS
def test_the_agent_may_checkpoint_and_nothing_else(variant: tuple[str, ...]) -> None:
    objects = render(*variant)
    assert rules_of(objects, "thaw-agent") == [
        {"apiGroups": [""], "resources": ["nodes/checkpoint"], "verbs": ["create"]}
    ]
    assert rules_of(objects, "thaw-agent", binding="RoleBinding") == []


@VARIANTS
def test_nobody_has_wildcards_or_the_means_to_more(variant: tuple[str, ...]) -> None:
    for role in render(*variant):
        if role["kind"] not in ("ClusterRole", "Role"):
            continue
        for rule in role["rules"]:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
            assert not {"impersonate", "escalate", "bind"} & set(rule["verbs"])
            forbidden = {"pods/exec", "pods/attach", "pods/ephemeralcontainers", "serviceaccounts/token", "nodes/proxy"}
            assert not forbidden & set(rule["resources"])
            assert "rbac.authorization.k8s.io" not in rule["apiGroups"]


@pytest.mark.parametrize("account", ["thaw-operator", "thaw-gateway", "thaw-agent"])
def test_nobody_reads_secrets_of_other_namespaces(account: str) -> None:
    assert not any("secrets" in rule["resources"] for rule in rules_of(render(), account))


def test_the_gateway_has_what_it_uses() -> None:
    objects = render()
    edit = READ | {"create", "patch", "delete"}
    assert granted(rules_of(objects, "thaw-gateway")) == {
        "thaw.dev/functions": edit,
        "thaw.dev/functionversions": edit,
        "thaw.dev/functionaliases": edit,
        "thaw.dev/eventinvocations": edit,
        "thaw.dev/snapshots": READ,
        "thaw.dev/functionversions/status": {"patch"},
        "thaw.dev/snapshots/status": {"patch"},
        "apps/controllerrevisions": {"get"},
        "/pods": edit,
        "/events": {"create", "patch"},
        "authentication.k8s.io/tokenreviews": {"create"},
        "authorization.k8s.io/subjectaccessreviews": {"create"},
    }
    own = granted(rules_of(objects, "thaw-gateway", binding="RoleBinding"))
    assert own["/secrets"] == READ
    assert own["/services"] == {"list"}
    assert set(own) == {"/secrets", "/services", "coordination.k8s.io/leases"}
    limited = [r for r in rules_of(objects, "thaw-gateway") if "resourceNames" in r]
    assert [(r["resources"], r["resourceNames"], r["verbs"]) for r in limited] == [
        (["services"], ["kubernetes"], ["get"]),
        (["endpointslices"], ["kubernetes"], ["get"]),
        (["configmaps"], [names.VERSION_NUMBERS], ["get"]),
    ]


def test_the_operator_reads_one_secret_and_one_configmap_name() -> None:
    objects = render()
    whole = granted(rules_of(objects, "thaw-operator"))
    assert "coordination.k8s.io/leases" not in whole
    assert whole["/configmaps"] == {"create"}
    assert whole["/nodes"] == READ | {"patch"}
    assert whole["/pods/log"] == {"get"}
    limited = [r for r in rules_of(objects, "thaw-operator") if "resourceNames" in r]
    assert [(r["resources"], r["resourceNames"]) for r in limited] == [
        (["configmaps"], [names.VERSION_NUMBERS]),
        (["leases"], ["thaw-operator"]),
    ]
    assert granted(rules_of(objects, "thaw-operator", binding="RoleBinding"))["/secrets"] == {"create"}


def test_users_roles_are_aggregated_and_give_no_status() -> None:
    edit = find(render(), "ClusterRole", "thaw-edit")
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert not any("/" in resource for rule in edit["rules"] for resource in rule["resources"])
    snapshots = next(rule for rule in edit["rules"] if rule["resources"] == ["snapshots"])
    assert set(snapshots["verbs"]) == {"delete", "deletecollection"}
    events = next(rule for rule in edit["rules"] if rule["resources"] == ["eventinvocations"])
    assert set(events["verbs"]) == READ | {"delete", "deletecollection"}, "nobody but the gateway makes them"


def test_events_are_not_for_everybody_who_may_look() -> None:
    view = find(render(), "ClusterRole", "thaw-view")
    assert not any("eventinvocations" in rule["resources"] for rule in view["rules"])


@VARIANTS
def test_users_roles_have_the_verbs_of_the_gateway(variant: tuple[str, ...]) -> None:
    """Between them they give every verb that the gateway asks about, and none is in two of them by mistake."""
    objects = render(*variant)

    def verbs(role: str) -> set[str]:
        return granted(find(objects, "ClusterRole", role)["rules"])["thaw.dev/functions"] & set(VERBS.values())

    assert verbs("thaw-view") == {"get", "list"}
    assert verbs("thaw-edit") == {"invoke", "publish", "create", "update", "delete"}
    assert granted(find(objects, "ClusterRole", "thaw-invoke")["rules"]) == {"thaw.dev/functions": {"invoke"}}


def test_without_aggregation_the_clusters_roles_gain_nothing() -> None:
    for role in ("thaw-view", "thaw-edit", "thaw-invoke"):
        labels = find(render("--set=rbac.aggregate=false"), "ClusterRole", role)["metadata"]["labels"]
        assert not any("aggregate" in label for label in labels)


# ---------------------------------------------------------------- pods


@VARIANTS
def test_only_the_agent_is_privileged(variant: tuple[str, ...]) -> None:
    for name, template in pod_templates(render(*variant)):
        (container,) = template["spec"]["containers"]
        security = container["securityContext"]
        if name == "thaw-agent":
            assert security["privileged"]
            continue
        assert security == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert template["spec"]["securityContext"]["runAsNonRoot"]
        assert template["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not template["spec"].get("hostPID")
        assert not any("hostPath" in volume for volume in template["spec"]["volumes"])


def test_callers_of_agents_carry_a_token_for_agents_alone() -> None:
    settings = Settings()
    for name, template in pod_templates(render()):
        tokens = [
            (source["serviceAccountToken"], volume["name"])
            for volume in template["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
        ]
        if name == "thaw-agent":
            assert tokens == []
            continue
        ((token, volume),) = tokens
        assert token == {"path": "agent-token", "audience": names.AGENT_AUDIENCE, "expirationSeconds": 3600}
        mount = next(m for m in template["spec"]["containers"][0]["volumeMounts"] if m["name"] == volume)
        assert f"{mount['mountPath']}/{token['path']}" == settings.agent_token_path
        assert template["metadata"]["labels"]["thaw.dev/agent-client"] == "true"


def test_the_network_policy_lets_those_callers_in_and_no_other() -> None:
    policy = find(render(), "NetworkPolicy", "thaw-agent")["spec"]
    (callers,) = [rule for rule in policy["ingress"] if rule["ports"][0]["port"] == names.AGENT_PORT]
    (peer,) = callers["from"]
    assert set(peer) == {"podSelector"}, "not from other namespaces"
    assert peer["podSelector"]["matchLabels"]["thaw.dev/agent-client"] == "true"


@VARIANTS
def test_selectors_match_their_own_pods_alone(variant: tuple[str, ...]) -> None:
    objects = render(*variant)
    templates = dict(pod_templates(objects))
    for thing in objects:
        selector = thing.get("spec", {}).get("selector")
        if not isinstance(selector, dict) or thing["kind"] in ("PodMonitor", "NetworkPolicy"):
            continue
        wanted = selector.get("matchLabels", selector).items()
        found = [name for name, template in templates.items() if wanted <= template["metadata"]["labels"].items()]
        assert found == [thing["metadata"]["name"]]


def test_the_agent_sees_the_folders_of_the_node_contract() -> None:
    spec = find(render(), "DaemonSet", "thaw-agent")["spec"]["template"]["spec"]
    assert spec["hostPID"] is True
    assert spec["tolerations"] == [{"operator": "Exists"}]
    mounts = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
    paths = {v["name"]: v["hostPath"]["path"] for v in spec["volumes"]}
    assert {mount: paths[name] for mount, name in mounts.items()} == {
        path: path
        for path in (
            "/opt/thaw",
            "/etc/containerd",
            "/run/thaw",
            "/var/lib/thaw",
            "/var/lib/kubelet/checkpoints",
            "/var/lib/thaw/store",
        )
    }


def test_the_store_is_a_claim_or_an_object_store_when_told() -> None:
    def volumes(*arguments: str) -> Object:
        spec = find(render(*arguments), "DaemonSet", "thaw-agent")["spec"]["template"]["spec"]
        return {volume["name"]: volume for volume in spec["volumes"]}

    assert volumes(*NOTHING)["store"]["persistentVolumeClaim"] == {"claimName": "shared"}
    assert "store" not in volumes(*EVERYTHING)


# ---------------------------------------------------------------- settings


def test_every_variable_is_one_that_the_programs_read() -> None:
    objects = render()
    for kind, name, settings in (
        ("Deployment", "thaw-operator", OperatorSettings),
        ("Job", "thaw-uninstall", OperatorSettings),
        ("Deployment", "thaw-gateway", GatewaySettings),
        ("DaemonSet", "thaw-agent", AgentSettings),
    ):
        known = {f"THAW_{field.upper()}" for field in settings.model_fields}
        assert set(environment(objects, kind, name)) <= known, name


def test_settings_of_agent_and_uninstall_read_what_the_chart_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = render("--set=agent.kubeletInsecureTls=false,agent.snapshotMaxGiB=2,uninstallHook.deadlineSeconds=100")
    for kind, name in (("DaemonSet", "thaw-agent"), ("Job", "thaw-uninstall")):
        for key, value in environment(objects, kind, name).items():
            if isinstance(value, str):
                monkeypatch.setenv(key, value)
    agent = AgentSettings()
    assert (agent.kubelet_insecure_tls, agent.snapshot_max_bytes) == (False, 2 << 30)
    assert OperatorSettings().uninstall_timeout == 40


@pytest.mark.parametrize("name", ["thaw-operator", "thaw-gateway"])
def test_settings_read_what_the_chart_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    some = (
        "--set=image.tag=dev,logLevel=debug,gateway.queueLimit=1000000",
        "--set-json=gateway.startTimeoutSeconds=2.5",
        "--set=gateway.tokenAudiences={thaw},gateway.trustedProxies={10.0.0.0/8,192.0.2.1}",
        "--set=gateway.callerLimit.requestsPerSecond=2000000,gateway.failureLimit.perSecond=0",
        "--set=aws.stsEndpoint=https://sts.example/,aws.stsAudience=minio",
        "--set-string=aws.stsCaBundle=-----BEGIN CERTIFICATE-----\nx",
        "--set=gateway.publicUrl=https://thaw.example/,gateway.urlDomain=fn.example",
    )
    for key, value in environment(render(*some), "Deployment", name).items():
        if isinstance(value, str):
            monkeypatch.setenv(key, value)
    settings = GatewaySettings()
    assert settings.runtimes["python3.13"] == "thaw.dev/runtime-python3.13:dev"
    assert settings.runtimes["provided.al2023"] == settings.runtimes["provided"] == "thaw.dev/runtime-provided:dev"
    assert settings.log_level == "debug"
    assert (settings.sts_endpoint, settings.sts_audience) == ("https://sts.example/", "minio")
    assert settings.sts_ca_bundle.splitlines()[1] == "x"
    if name == "thaw-gateway":
        assert (settings.queue_limit, settings.start_timeout) == (1_000_000, 2.5)
        assert settings.token_audiences == ("thaw",)
        assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32"]
        limits = settings.limits
        assert (limits.caller, limits.failures) == (Rate(2e6, 2_000_000), None)
        assert (settings.public_url, settings.url_domain) == ("https://thaw.example", "fn.example")


def test_runtimes_can_be_replaced_and_removed() -> None:
    given = render("--set=runtimes.java21=r/java:1", r"--set=runtimes.python3\.13=null")
    runtimes = json.loads(environment(given, "Deployment", "thaw-gateway")["THAW_RUNTIMES"])
    assert runtimes["java21"] == "r/java:1"
    assert "python3.13" not in runtimes


def test_the_default_access_key_is_asked_of_the_operator() -> None:
    assert environment(render(), "Deployment", "thaw-operator")["THAW_DEFAULT_ACCESS_KEY_NAMESPACE"] == "default"
    assert "THAW_DEFAULT_ACCESS_KEY_NAMESPACE" not in environment(render(*NOTHING), "Deployment", "thaw-operator")


def test_access_keys_become_secrets_that_the_gateway_finds() -> None:
    secret = find(render(*EVERYTHING), "Secret", "thaw-access-key-ci")
    assert secret["metadata"]["labels"]["thaw.dev/access-key"] == "true"
    key = accesskey.read({k: base64.b64encode(v.encode()).decode() for k, v in secret["stringData"].items()})
    assert (key.id, key.namespace) == ("AKIACI", "team-a")
    assert (key.actions, key.functions) == (("lambda:InvokeFunction", "lambda:Get*"), ("web-*",))
    assert (key.rate, key.expires) == (Rate(2e6, 3_000_000), datetime(2030, 1, 31, 12, tzinfo=UTC))


def test_an_access_key_without_more_may_do_all() -> None:
    least = {"name": "ci", "accessKeyId": "AKIACI", "secretAccessKey": "0123456789abcdef", "namespace": "team-a"}
    secret = find(render(f"--set-json=accessKeys={json.dumps([least])}"), "Secret", "thaw-access-key-ci")
    assert set(secret["stringData"]) == {"accessKeyId", "secretAccessKey", "namespace"}


def test_the_node_port_and_the_budget() -> None:
    objects = render(*EVERYTHING)
    assert find(objects, "Service", "thaw-gateway")["spec"]["ports"][0]["nodePort"] == 30080
    assert find(objects, "PodDisruptionBudget", "thaw-gateway")["spec"]["minAvailable"] == 1
    assert not any(o["kind"] == "PodDisruptionBudget" for o in render(*NOTHING)), "one replica must stay drainable"
    assert "nodePort" not in find(render(), "Service", "thaw-gateway")["spec"]["ports"][0]


def test_annotations_reach_all_pods_and_components_their_own() -> None:
    templates = dict(pod_templates(render(*EVERYTHING)))
    for name in ("thaw-operator", "thaw-gateway", "thaw-agent"):
        assert templates[name]["metadata"]["annotations"]["thaw.dev/image"] == "x"
        assert templates[name]["metadata"]["labels"]["team"] == "a"
    assert templates["thaw-gateway"]["metadata"]["annotations"]["a"] == "b"
    assert "a" not in templates["thaw-agent"]["metadata"]["annotations"]


# ---------------------------------------------------------------- CRDs, hooks, switches


def test_the_crds_are_those_of_crds_and_kept() -> None:
    for keep, arguments in ((True, ()), (False, ("--set=crds.keep=false",))):
        rendered = {o["metadata"]["name"]: o for o in render(*arguments) if o["kind"] == "CustomResourceDefinition"}
        for file in (CHART.parents[1] / "crds").glob("*.yaml"):
            plain = yaml.safe_load(file.read_text())
            chart = rendered.pop(plain["metadata"]["name"])
            assert chart["spec"] == plain["spec"]
            assert (chart["metadata"].get("annotations") == {"helm.sh/resource-policy": "keep"}) is keep
        assert rendered == {}


def test_switches_switch() -> None:
    kinds = {o["kind"] for o in render(*NOTHING)}
    assert not kinds & {
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "NetworkPolicy",
        "Job",
        "PodMonitor",
        "PodDisruptionBudget",
    }
    assert any(o["kind"] == "PodMonitor" for o in render("--set=metrics.podMonitor.enabled=true"))


def test_the_uninstall_hook_runs_first_as_the_operator() -> None:
    job = find(render(), "Job", "thaw-uninstall")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    assert job["spec"]["activeDeadlineSeconds"] == 180
    spec = job["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["containers"][0]["command"]) == (
        "thaw-operator",
        ["thaw-operator", "uninstall"],
    )


def test_the_runtime_class_goes_where_checkpoints_work() -> None:
    runtime = find(render(), "RuntimeClass", names.RUNTIME_CLASS)
    assert runtime["scheduling"] == {"nodeSelector": {names.LABEL_CHECKPOINT: "supported"}}


@VARIANTS
def test_lint(variant: tuple[str, ...]) -> None:
    done = helm("lint", "--strict", str(CHART), *variant)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--set=image.repositry=x", "additional properties 'repositry' not allowed"),
        ("--set=logLevel=loud", "'/logLevel'"),
        ("--set=gateway.replicas=0", "'/gateway/replicas'"),
        ("--set=gateway.publicUrl=thaw.example", "'/gateway/publicUrl'"),
        ("--set=gateway.urlDomain=*.fn.example", "'/gateway/urlDomain'"),
        ("--set=gateway.service.type=Ingress", "'/gateway/service/type'"),
        ("--set=store.url=/data", "'/store/url'"),
        ("--set=aws.stsEndpoint=sts.amazonaws.com", "'/aws/stsEndpoint'"),
        ("--set=aws.stsCaBundle=/etc/ssl/ca.pem", "'/aws/stsCaBundle'"),
        ('--set-json=accessKeys=[{"name":"a"}]', "missing properties"),
        ('--set-json=accessKeys=[{"burst":5}]', "'/accessKeys/0'"),
        ('--set-json=accessKeys=[{"actions":["s3:*"]}]', "'/accessKeys/0/actions/0'"),
        ('--set-json=accessKeys=[{"actions":[]}]', "'/accessKeys/0/actions'"),
        ('--set-json=accessKeys=[{"expires":"tomorrow"}]', "'/accessKeys/0/expires'"),
        ("--set=gateway.httpAuth=sigv4", "'/gateway/httpAuth'"),
        ("--set=gateway.trustedProxies={proxy.example}", "'/gateway/trustedProxies/0'"),
    ],
)
def test_misspelt_values_are_refused(argument: str, complaint: str) -> None:
    done = helm("template", "thaw", str(CHART), argument)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_readme_names_every_value() -> None:
    text = (CHART / "README.md").read_text()
    shared = {"resources", "podAnnotations", "nodeSelector", "tolerations", "affinity", "priorityClassName"}

    def leaves(values: Object, path: str = "") -> Iterator[str]:
        for key, value in values.items():
            here = f"{path}.{key}".lstrip(".")
            if path in ("operator", "gateway", "agent") and key in shared:
                continue
            if isinstance(value, dict) and value and here not in ("runtimes", "agent.updateStrategy"):
                yield from leaves(value, here)
            else:
                yield here

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = set(re.findall(r"`([A-Za-z.]+)`", text))
    assert set(leaves(values)) - named == set()
