"""These tests check what deploy/kubernetes promises on the rendered objects (T-70, T-74, T-75)."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from cds_service.app import create_app
from cds_service.cli import cli
from cds_service.cli.serve import STOP_S
from cds_service.settings import Settings, settings_from_environment
from cds_service.trust.client import Defaults
from cds_service.trust.current import CurrentRegistry
from cds_service.web.runtime import runtime_of
from tests.deploy import FOLDER, OVERLAYS, Manifest, of_kind, pods, rendered

if not FOLDER.is_dir():
    pytest.skip("a wheel has no deploy folder", allow_module_level=True)

METADATA = ipaddress.ip_network("169.254.0.0/16")


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return rendered(FOLDER / "overlays" / request.param)


def service_pod(manifests: list[Manifest]) -> dict[str, Any]:
    [deployment] = of_kind(manifests, "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def environment(manifests: list[Manifest]) -> dict[str, str]:
    """Returns the CDS_... variables of the service, without those from a Secret."""
    [container] = service_pod(manifests)["containers"]
    named = container["envFrom"][0]["configMapRef"]["name"]
    [settings] = [m for m in of_kind(manifests, "ConfigMap") if m["metadata"]["name"] == named]
    own = {e["name"]: e["value"] for e in container.get("env", ()) if "value" in e}
    return {**settings["data"], **own}


def test_t74_every_container_runs_without_rights_on_a_root_that_cannot_be_written(
    manifests: list[Manifest],
) -> None:
    assert len(list(pods(manifests))) >= 2
    for template in pods(manifests):
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert all(
            set(volume) & {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}
            for volume in pod["volumes"]
        )
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] is True
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["limits"]["ephemeral-storage"]
            assert container["resources"]["requests"]["ephemeral-storage"]
            assert container["resources"]["requests"]["cpu"]
    [namespace] = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_night_that_was_missed_is_made_up_for_within_the_hour_or_not_at_all(
    manifests: list[Manifest],
) -> None:
    """Without a deadline a CronJob that missed a hundred starts is never started again."""
    [job] = of_kind(manifests, "CronJob")
    assert 600 <= job["spec"]["startingDeadlineSeconds"] <= 6 * 3600


def test_every_image_is_this_release(manifests: list[Manifest]) -> None:
    pyproject = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())
    images = {c["image"] for template in pods(manifests) for c in template["spec"]["containers"]}
    assert images == {f"registry.example/hyponatremia-cds:{pyproject['project']['version']}"}


def test_t75_secrets_are_named_and_never_given(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == []
    assert "postgresql://" not in json.dumps(manifests)
    names = {v["secret"]["secretName"] for v in service_pod(manifests)["volumes"] if "secret" in v}
    assert "hyponatremia-cds" in names
    assert names <= {"hyponatremia-cds", "hyponatremia-cds-database"}


def test_probes_call_health_and_ready_and_a_stop_gets_enough_time(
    manifests: list[Manifest],
) -> None:
    pod = service_pod(manifests)
    [container] = pod["containers"]
    asked = {
        name: container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    assert asked == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    drain = float(environment(manifests)["CDS_DRAIN_SECONDS"])
    readiness = container["readinessProbe"]
    assert drain > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] > drain + STOP_S


def test_only_pods_of_the_service_get_its_calls(manifests: list[Manifest]) -> None:
    [service] = of_kind(manifests, "Service")
    chosen = service["spec"]["selector"].items()
    assert [chosen <= template["metadata"]["labels"].items() for template in pods(manifests)].count(
        True
    ) == 1
    [deployment] = of_kind(manifests, "Deployment")
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [
        "http"
    ]  # T-70: not the metrics


def test_t74_nothing_is_let_out_but_what_is_named(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    for template in pods(manifests):
        of_this_pod = [p for p in policies if applies(p, template)]
        assert any({"Ingress", "Egress"} <= set(p["spec"]["policyTypes"]) for p in of_this_pod)
    for policy in policies:
        closed(policy)


def applies(policy: Manifest, template: Manifest) -> bool:
    """Returns True if a policy applies to pods of this template."""
    wanted: dict[str, str] = policy["spec"]["podSelector"].get("matchLabels", {})
    labels: dict[str, str] = template["metadata"]["labels"]
    return wanted.items() <= labels.items()


def closed(policy: Manifest) -> None:
    """Checks that each rule of a policy names peers and ports, and no metadata address."""
    for rule in [*policy["spec"].get("egress", ()), *policy["spec"].get("ingress", ())]:
        peers = rule.get("to") or rule.get("from")
        assert peers, f"{policy['metadata']['name']}: a rule without peers lets everything through"
        assert all(port.get("port") for port in rule["ports"])
        for peer in peers:
            assert any(peer.values()), "an empty selector means every pod of the cluster"
            if "ipBlock" in peer:
                network = ipaddress.ip_network(peer["ipBlock"]["cidr"])
                assert network.num_addresses == 1
                assert not (network.version == 4 and network.overlaps(METADATA))


def test_the_service_starts_with_these_settings_and_needs_no_other_folder(
    manifests: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts as in a pod, with ConfigMaps and Secret as files, even without a database."""
    given = environment(manifests)
    for name in [name for name in os.environ if name.startswith("CDS_")]:
        monkeypatch.delenv(name)
    unknown = {name.removeprefix("CDS_").lower() for name in given} - set(Settings.model_fields)
    assert unknown == set()
    [clients] = [
        m
        for m in of_kind(manifests, "ConfigMap")
        if m["metadata"]["name"] == "hyponatremia-cds-clients"
    ]
    (tmp_path / "clients.toml").write_text(clients["data"]["clients.toml"])
    (tmp_path / "card-secret").write_text("s" * 64)
    given |= {
        "CDS_CLIENTS_FILE": f"{tmp_path}/clients.toml",
        "CDS_SECRET_FILE": f"{tmp_path}/card-secret",
    }
    if "CDS_DATA_DIR" in given:
        given["CDS_DATA_DIR"] = f"{tmp_path}/data"
    else:
        given |= {
            "CDS_DATA_DIR": "/nowhere/at/all",
            "CDS_DATABASE_URL": "postgresql://cds@127.0.0.1:1/cds",
        }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    app = create_app(settings_from_environment())
    assert app.test_client().get("/ready").status_code == 200
    runtime_of(app).recorder.close(0)
    runtime_of(app).database.engine.dispose()


def test_many_nodes_share_a_database_and_are_never_all_down() -> None:
    manifests = rendered(FOLDER / "overlays" / "postgresql")
    [deployment] = of_kind(manifests, "Deployment")
    [scaler] = of_kind(manifests, "HorizontalPodAutoscaler")
    [budget] = of_kind(manifests, "PodDisruptionBudget")
    assert "replicas" not in deployment["spec"]  # the autoscaler's, and nobody resets it
    assert scaler["spec"]["minReplicas"] >= 2
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    for template in pods(manifests):
        given = [
            e
            for c in template["spec"]["containers"]
            for e in c["env"]
            if e["name"] == "CDS_DATABASE_URL"
        ]
        assert [e["valueFrom"]["secretKeyRef"]["name"] for e in given] == [
            "hyponatremia-cds-database"
        ]


def test_every_pod_that_reads_the_url_of_the_database_has_the_files_that_it_names() -> None:
    """Production takes no database without `sslrootcert`, and a root that cannot be written holds no file."""
    guide = (FOLDER.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    named = "sslmode=verify-full&sslrootcert=/etc/cds/database/ca.pem'"
    assert named in guide
    for template in pods(rendered(FOLDER / "overlays" / "postgresql")):
        spec = template["spec"]
        [volume] = [v for v in spec["volumes"] if v["name"] == "database"]
        assert volume["secret"] == {"secretName": "hyponatremia-cds-database", "defaultMode": 0o440}
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]
        for container in spec["containers"]:
            at = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
            assert at["database"] == "/etc/cds/database"


def test_the_ingress_sends_what_the_service_takes_to_its_port(manifests: list[Manifest]) -> None:
    [ingress] = of_kind(manifests, "Ingress")
    [service] = of_kind(manifests, "Service")
    said = {k.rpartition("/")[2]: v for k, v in ingress["metadata"]["annotations"].items()}
    assert int(said["proxy-body-size"]) == Settings().max_body_bytes
    assert int(said["proxy-read-timeout"]) * 1000 > Defaults().deadline_ms
    assert said["proxy-next-upstream"] == "error timeout", (
        "a POST that was sent is never sent twice"
    )
    [rule] = ingress["spec"]["rules"]
    assert environment(manifests)["CDS_PUBLIC_URL"] == f"https://{rule['host']}"
    assert [one["hosts"] for one in ingress["spec"]["tls"]] == [[rule["host"]]]
    [path] = rule["http"]["paths"]
    backend = path["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]


def test_the_operator_has_the_alarms_that_are_tested(tmp_path: Path) -> None:
    component = FOLDER / "components" / "prometheus-operator"
    [rule] = [msgspec.yaml.decode((component / "prometheus-rule.yaml").read_bytes())]
    alerts = msgspec.yaml.decode((FOLDER.parent / "prometheus" / "alerts.yaml").read_bytes())
    assert rule["spec"] == alerts, "copy `groups:` of alerts.yaml below spec, two spaces further in"
    kustomization = f"""
resources: [{os.path.relpath(FOLDER / "overlays" / "postgresql", tmp_path)}]
components: [{os.path.relpath(component, tmp_path)}]
"""
    (tmp_path / "kustomization.yaml").write_text(kustomization)
    found = rendered(tmp_path)
    assert of_kind(found, "PrometheusRule")
    assert of_kind(found, "PodMonitor")


def test_an_upgrade_can_be_applied_again_with_another_image() -> None:
    """A Job cannot be changed, so each tool that applies it must be told to make it anew."""
    [job] = of_kind(rendered(FOLDER / "overlays" / "postgresql"), "Job")
    chosen = "app.kubernetes.io/component=upgrade"
    name, _, value = chosen.partition("=")
    assert job["metadata"]["labels"][name] == value
    assert job["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/force"] == "enabled"
    assert "Force=true" in job["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    guide = (FOLDER.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"apply --force -k deploy/kubernetes/overlays/site -l {chosen}" in guide


def test_a_single_node_never_shares_its_file() -> None:
    [deployment] = of_kind(rendered(FOLDER / "overlays" / "sqlite"), "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (
        1,
        {"type": "Recreate"},
    )


def test_a_site_lets_out_what_its_registry_names_and_nothing_more(tmp_path: Path) -> None:
    """The overlay is the one in docs/operations.md, with the policy that the command makes."""
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    site = tmp_path / "kubernetes" / "overlays" / "site"
    site.mkdir()
    (site / "clients.toml").write_text(
        "[clients.mercy]\nissuer = 'https://10.1.2.3/r4'\njwks_url = 'https://10.1.2.4:8443/jwks'\n"
        "fhir_bases = ['https://10.1.2.3/r4']\nallow_private = true\n"
    )
    made = CliRunner().invoke(
        cli, ["client", "egress", "--format", "networkpolicy", "--file", str(site / "clients.toml")]
    )
    assert made.exit_code == 0, made.output
    (site / "registry-egress.yaml").write_text(made.output)
    (site / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: hyponatremia-cds\n"
        "resources: [../postgresql, registry-egress.yaml]\ncomponents: [../../components/prometheus-operator]\n"
        "configMapGenerator:\n  - {name: hyponatremia-cds-clients, behavior: replace, files: [clients.toml]}\n"
        "  - {name: hyponatremia-cds, behavior: merge, literals: ['CDS_PUBLIC_URL=https://cds.mercy.example']}\n"
    )
    manifests = rendered(site)
    [policy] = [
        p
        for p in of_kind(manifests, "NetworkPolicy")
        if p["metadata"]["name"] == "hyponatremia-cds-registry"
    ]
    closed(policy)
    let_out = {
        (t["ipBlock"]["cidr"], r["ports"][0]["port"])
        for r in policy["spec"]["egress"]
        for t in r["to"]
    }
    assert let_out == {("10.1.2.3/32", 443), ("10.1.2.4/32", 8443)}
    assert any(applies(policy, template) for template in pods(manifests))
    assert environment(manifests)["CDS_PUBLIC_URL"] == "https://cds.mercy.example"
    assert [
        m["spec"]["podMetricsEndpoints"][0]["port"] for m in of_kind(manifests, "PodMonitor")
    ] == ["metrics"]


def test_a_mounted_registry_changes_as_kubernetes_changes_it(tmp_path: Path) -> None:
    """The kubelet replaces the link `..data`; clients.toml itself is a link that never changes."""

    def folder(name: str, client: str) -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "clients.toml").write_text(f"[clients.{client}]\n")
        return name

    def swap(name: str) -> None:
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    swap(folder("..2026_11_26_1", "mercy"))
    (tmp_path / "clients.toml").symlink_to("..data/clients.toml")
    clock = iter(range(0, 1000, 2))
    registry = CurrentRegistry(
        tmp_path / "clients.toml", report=lambda _: None, clock=lambda: next(clock)
    )
    assert [c.name for c in registry.current().clients] == ["mercy"]
    swap(folder("..2026_11_26_2", "anne"))
    shutil.rmtree(tmp_path / "..2026_11_26_1")
    registry.current()  # a change is taken up when two looks find the same file
    assert [c.name for c in registry.current().clients] == ["anne"]
