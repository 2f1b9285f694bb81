"""The files for a server name programs, options, ports and variables that exist."""

import configparser
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config

from equity_pipeline.defs import history
from equity_pipeline.defs.automation import ENVIRONMENTS
from equity_pipeline.defs.publish import site

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = list(
    yaml.safe_load_all((DEPLOY / "kubernetes" / "equity-pipeline.yaml").read_text(encoding="utf-8"))
)
[POD] = [one["spec"]["template"]["spec"] for one in MANIFESTS if one["kind"] == "Deployment"]


def unit(name):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "systemd" / name, encoding="utf-8")
    return parser


@pytest.mark.parametrize("name", ["code", "webserver", "daemon"])
def test_a_service_calls_a_program_with_options_that_it_knows_and_the_container_calls_the_same(name):
    command = unit(f"equity-{name}.service")["Service"]["ExecStart"].rsplit("/bin/", 1)[1]
    program, *arguments = command.split()
    words = [word for word in arguments if not word.startswith("-")]
    subcommands = [word for word in words if word in {"code-server", "start", "run"}]
    found = Path(sys.executable).with_name(program)
    told = subprocess.run([found, *subcommands, "--help"], check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"--[\w-]+", command)) <= set(re.findall(r"--[\w-]+", told))
    in_container = COMPOSE["services"][name]["command"]
    assert set(re.findall(r"--[\w-]+", command)) == set(re.findall(r"--[\w-]+", in_container))


def test_the_services_find_each_other_and_the_webserver_is_for_this_machine_only():
    [location] = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    code = unit("equity-code.service")["Service"]["ExecStart"]
    assert f"--port {location['grpc_server']['port']}" in code and "--host 127.0.0.1" in code
    assert f"--location-name {location['grpc_server']['location_name']}" in code
    assert "--host 127.0.0.1" in unit("equity-webserver.service")["Service"]["ExecStart"]
    assert COMPOSE["services"]["code"]["ports"] == ["127.0.0.1:3000:3000"]


def test_what_services_write_is_for_their_user_only_and_they_may_do_no_more_than_they_need():
    for path in (*(DEPLOY / "systemd").glob("*.service"), *(DEPLOY / "celery").glob("*.service")):
        service = unit(f"../{path.parent.name}/{path.name}")["Service"]
        if path.name != "equity-partners.service":  # which calls systemctl and nothing of ours
            least = (
                "UMask",
                "NoNewPrivileges",
                "CapabilityBoundingSet",
                "ProtectSystem",
                "ReadWritePaths",
                "User",
            )
            assert [service[one] for one in least] == [
                "0077",
                "yes",
                "",
                "strict",
                "/srv/equity",
                "equity",
            ], path
    entrypoint = re.search(r"^ENTRYPOINT (.*)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)[1]
    masked = [*json.loads(entrypoint), "sh", "-c", "umask"]
    assert subprocess.run(masked, check=True, capture_output=True, text=True).stdout.strip() == "0077"
    for service in COMPOSE["services"].values():
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert all(
        "command" not in container for container in POD["containers"]
    )  # it would stand before the entry point
    assert all(one["securityContext"]["capabilities"] == {"drop": ["ALL"]} for one in POD["containers"])


def test_every_variable_of_the_environment_file_is_one_that_the_code_reads():
    text = (DEPLOY / "equity-pipeline.env").read_text(encoding="utf-8")
    code = "".join(
        path.read_text(encoding="utf-8") for path in (DEPLOY.parent / "equity_pipeline").rglob("*.py")
    )
    for name in re.findall(r"^#?(EQUITY_\w+)=", text, re.MULTILINE):
        assert name in code or "EQUITY_ALERT_{name}" in code and name.startswith("EQUITY_ALERT_"), name
    assert re.search(r"^EQUITY_ENVIRONMENT=(\w+)$", text, re.MULTILINE)[1] in ENVIRONMENTS


def test_the_ui_links_to_where_releases_are_served_and_names_the_file_where_they_are_not(monkeypatch):
    release = Path("/srv/equity/releases/north/0123456789abcdef")
    assert site(release) == dg.MetadataValue.path(release / "index.html")
    monkeypatch.setenv("EQUITY_RELEASES_URL", "https://equity.example.org/releases/")
    page = "https://equity.example.org/releases/north/0123456789abcdef/index.html"
    assert site(release) == dg.MetadataValue.url(page)


def test_systemd_accepts_the_units(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    for path in (DEPLOY / "systemd").iterdir():
        here = re.sub(r"/opt/equity-pipeline/\.venv/bin", str(Path(sys.executable).parent), path.read_text())
        (tmp_path / path.name).write_text(here.replace("User=equity\n", ""))
    told = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())],
        check=False,
        capture_output=True,
        text=True,
    )
    assert not [line for line in told.stderr.splitlines() if "equity-" in line], told.stderr


def test_jobs_of_kubernetes_are_given_what_the_manifests_declare(home, monkeypatch):
    named = {(one["kind"], one["metadata"]["name"]) for one in MANIFESTS}
    [image] = {container["image"] for container in POD["containers"]}
    [environment] = [one["data"] for one in MANIFESTS if one["kind"] == "ConfigMap"]
    assert environment["EQUITY_KUBERNETES_IMAGE"] == image
    monkeypatch.setenv("EQUITY_KUBERNETES_IMAGE", image)
    config = history.settings(home)["run_launcher"]["config"]
    assert ("ServiceAccount", config["service_account_name"]) in named
    assert {("ConfigMap", name) for name in config["env_config_maps"]} <= named
    assert config["volumes"] == POD["volumes"]
    assert config["volume_mounts"] == POD["containers"][0]["volumeMounts"]
    assert ("Namespace", config["job_namespace"]) in named
    if find_spec("dagster_k8s"):
        from dagster_k8s import K8sRunLauncher

        assert validate_config(K8sRunLauncher.config_type(), config).success
