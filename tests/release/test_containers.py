"""The files for containers and services, checked without an engine: by linters, and by what they name."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from canalgate.proxy.cli import _parser
from canalgate.proxy.config import load
from processes import run, start

RELEASE = Path(__file__).resolve().parents[2] / "release"
ROOT = RELEASE.parent
COMPOSE = sorted(path.name for path in RELEASE.glob("compose*.yaml"))
YAML_RULES = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"

IMAGE_USER = "10001:10001"


def steps():
    """The instructions of the Dockerfile: pairs of a word and what follows it, a list where it is one."""
    text = re.sub(r"(?m)^#.*\n", "", (RELEASE / "Dockerfile").read_text("utf-8"))
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, json.loads(rest) if rest.startswith("[") else rest


def values(word):
    return [rest for name, rest in steps() if name == word]


def environment():
    """What the image sets."""
    return dict(pair.split("=", 1) for line in values("ENV") for pair in shlex.split(line))


def health_command():
    (line,) = values("HEALTHCHECK")
    return json.loads(line.partition("CMD ")[2])


def services(name):
    """The services of a compose file, by name."""
    return yaml.safe_load((RELEASE / name).read_text("utf-8"))["services"]


GATEWAYS = [
    (name, service)
    for name in COMPOSE
    for service in services(name).values()
    if service.get("image", "").startswith("canalgate:")
]


def settings(service):
    """What a service sets, with `${NAME:?...}` filled in."""
    return {
        name: re.sub(r"\$\{SECRET_KEY.*?\}|\$\{CANALGATE_SECRET_KEY.*?\}", "ab" * 32, re.sub(
            r"\$\{(?!CANALGATE_SECRET_KEY).*?\}", "word", value))
        for name, value in service.get("environment", {}).items()
    }  # fmt: skip


def test_the_dockerfile_passes_its_linter():
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    done = subprocess.run([linter, RELEASE / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", COMPOSE)
def test_a_compose_file_passes_its_linter(name):
    command = [sys.executable, "-m", "yamllint", "--strict", "-d", YAML_RULES, RELEASE / name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_does_not_run_as_root_and_keeps_its_data_in_a_volume():
    assert (values("USER"), values("VOLUME"), values("EXPOSE")) == ([IMAGE_USER], [["/data"]], ["3000"])
    assert environment()["CANALGATE_DATA__DIR"] == "/data"


def test_everything_the_image_is_built_of_is_let_through():
    kept = re.findall(r"(?m)^!(.*)$", (RELEASE / "Dockerfile.dockerignore").read_text("utf-8"))
    assert [name for name in kept if not (ROOT / name).exists()] == []
    folders = {name.removeprefix("canalgate.").split(".")[0] for name in packages()} - {"canalgate"}
    assert folders <= set(kept)


def packages():
    text = (ROOT / "setup.cfg").read_text("utf-8")
    return re.findall(
        r"(?m)^    (canalgate\S*)$", text.partition("packages =")[2].partition("install_requires")[0]
    )


def test_the_image_has_curl_for_fastgpts_health_check_and_for_its_own():
    assert "curl" in values("RUN")[-1].split("install", 1)[1].split("&&")[0].split()
    assert health_command()[0] == "curl"


def test_what_the_image_runs_is_a_command_of_ours_that_listens_where_others_can_reach_it():
    (entry,), (command,) = values("ENTRYPOINT"), values("CMD")
    assert entry == ["canalgate"]
    assert _parser()[0].parse_args(command).run
    config = load(
        None, {name: value for name, value in environment().items() if name.startswith("CANALGATE_")}
    )
    assert (config.server.host, config.server.port, config.data.dir) == ("0.0.0.0", 3000, "/data")


def test_the_health_check_tells_a_gateway_that_runs_from_one_that_does_not(tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    serving = start(tmp_path, "gateway")
    check = [part.replace(":3000", f":{serving.port}") for part in health_command()]
    try:
        healthy = subprocess.run(check, capture_output=True, text=True, timeout=20)
        status = serving.ask("/api/status")[0]
    finally:
        serving.stop()
    assert (healthy.returncode, healthy.stdout, healthy.stderr, status) == (0, "", "", 200)
    assert subprocess.run(check, capture_output=True, timeout=20).returncode != 0


@pytest.mark.parametrize(("name", "service"), GATEWAYS, ids=[name for name, _ in GATEWAYS])
def test_a_gateways_settings_are_understood_and_none_is_lost(name, service):
    config = load(None, settings(service))
    wanted = {"compose.cluster.yaml": "postgresql://canalgate:word@database:5432/canalgate"}.get(name, "")
    assert config.data.database == wanted


@pytest.mark.parametrize(("name", "service"), GATEWAYS, ids=[name for name, _ in GATEWAYS])
def test_a_gateway_has_a_read_only_root_no_rights_and_time_to_end(name, service):
    assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert any(volume.endswith(":/data") for volume in service["volumes"])
    assert int(service["stop_grace_period"].removesuffix("s")) > load(None, {}).server.grace_s


def test_with_fastgpt_the_name_and_the_key_are_the_ones_it_uses():
    beside = services("compose.fastgpt.yaml")
    fastgpt, ours = beside["fastgpt"]["environment"], beside["aiproxy"]["environment"]
    assert fastgpt["AIPROXY_API_ENDPOINT"] == "http://aiproxy:3000"
    assert fastgpt["AIPROXY_API_TOKEN"] == ours["ADMIN_KEY"]
    assert load(None, {"ADMIN_KEY": "s3cret", "SQL_DSN": ours["SQL_DSN"]}).admin.key == "s3cret"


def test_without_a_key_fastgpts_file_does_not_start():
    assert ":?" in services("compose.fastgpt.yaml")["aiproxy"]["environment"]["ADMIN_KEY"]


def test_the_image_is_of_this_version():
    version = run(ROOT, "--version").stdout.split()[1]
    assert {service["image"] for _, service in GATEWAYS} == {f"canalgate:{version}"}


def test_nginx_takes_its_configuration_and_holds_nothing_back(tmp_path):
    text = (RELEASE / "nginx.conf").read_text("utf-8")
    assert "proxy_buffering off;" in text
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    text = text.replace("canalgate:3000", "127.0.0.1:3000").replace("listen 80", "listen 127.0.0.1:8099")
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {text} }}"
    (tmp_path / "nginx.conf").write_text(whole, "utf-8")
    command = ["nginx", "-t", "-q", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_shows_the_configuration_of_nginx_that_is_there():
    page = (ROOT / "docs" / "deploying.md").read_text("utf-8").partition("```nginx\n")[2].partition("```")[0]
    shown = {line.strip() for line in page.splitlines() if line.endswith(";") and "proxy_pass" not in line}
    there = {line.strip() for line in (RELEASE / "nginx.conf").read_text("utf-8").splitlines()}
    assert len(shown) > 5
    assert shown <= there


@pytest.mark.parametrize("unit", ["canalgate.service", "canalgate.socket"])
def test_systemd_understands_the_unit(tmp_path, unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    for name in ("canalgate.service", "canalgate.socket"):
        text = (RELEASE / name).read_text("utf-8").replace("/usr/local/bin/canalgate ", "/bin/true ")
        (tmp_path / name).write_text(text, "utf-8")
    command = ["systemd-analyze", "verify", "--man=no", tmp_path / unit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_runs_a_command_of_ours_and_waits_longer_than_a_gateway_takes_to_end():
    text = (RELEASE / "canalgate.service").read_text("utf-8")
    (command,) = re.findall(r"(?m)^ExecStart=\S+ (.*)$", text)
    assert _parser()[0].parse_args(shlex.split(command)).run
    (wait,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)
    assert int(wait) > load(None, {}).server.grace_s
    (setting,) = re.findall(r"(?m)^Environment=(CANALGATE_\S+)$", text)
    assert load(None, dict([setting.split("=")])).data.dir == "/var/lib/canalgate"
