"""The binary finds whom to trust on systems that keep it elsewhere than the one it was made on."""

import importlib.util
import ssl
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "release" / "launch.py"


@pytest.fixture
def launch(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv(
        "SSL_CERT_FILE", "/nowhere"
    )  # so that it is put back; a file that is not there counts for none
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    spec = importlib.util.spec_from_file_location("launch", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_file_that_is_there_is_named(launch, tmp_path):
    bundle = tmp_path / "bundle.crt"
    bundle.touch()
    launch.trust_what_this_system_trusts((str(tmp_path / "missing"), str(bundle), "/etc/passwd"))
    assert ssl.get_default_verify_paths().cafile == str(bundle)


def test_what_is_there_already_stays(launch, tmp_path, monkeypatch):
    own, other = tmp_path / "own.crt", tmp_path / "other.crt"
    own.touch(), other.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    launch.trust_what_this_system_trusts((str(other),))
    assert ssl.get_default_verify_paths().cafile == str(own)


def test_where_none_is_there_nothing_is_named(launch, tmp_path):
    launch.trust_what_this_system_trusts((str(tmp_path / "missing"),))
    assert ssl.get_default_verify_paths().cafile is None
