"""Metrics from records alone: what is counted, under which labels, and who may read it."""

import re
import subprocess
import sys

import msgspec
import pytest
from canalgate.plugins import Caller, Usage, UsageRecord
from canalgate.plugins.prometheus import (
    MOST_CHANNELS,
    MOST_ERRORS,
    MOST_MODELS,
    OTHER,
    Bounded,
    Metrics,
    Settings,
    is_admitted,
    read_settings,
)
from prometheus_client import generate_latest

GOOD = UsageRecord(
    request_id="id1", endpoint="chat/completions", model="m", upstream_model="big-m", stream=True, status=200,
    caller=Caller(1, "first", 1, "root", "default"), channel_id=3, channel_name="main", adapter="openai",
    usage=Usage(100, 21), attempts=1, bytes_sent=5000, first_byte_s=0.5, total_s=2.5, ended_at=1.7e9,
    problem="",
)  # fmt: skip
REFUSED = msgspec.structs.replace(
    GOOD, model="invented", upstream_model="", status=404, channel_id=None, channel_name="", adapter="",
    usage=None, attempts=0, first_byte_s=None, problem="no such model", error_type="model_not_found",
)  # fmt: skip
MODEL = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "m"}
ENDPOINT = {"endpoint": "chat/completions"}


def changed(**fields):
    return msgspec.structs.replace(GOOD, **fields)


def counted(*records):
    metrics = Metrics("9.9")
    for record in records:
        metrics.observe(record)
    return metrics


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def series(metrics):
    """Every sample of ours without its value."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if re.match("canalgate|gen_ai", line)}


# What is counted.


def test_a_stream_is_counted_in_all_its_numbers():
    metrics = counted(GOOD)
    duration = "gen_ai_server_request_duration_seconds"
    assert value(metrics, "gen_ai_client_token_usage_sum", **MODEL, gen_ai_token_type="input") == 100
    assert value(metrics, "gen_ai_client_token_usage_sum", **MODEL, gen_ai_token_type="output") == 21
    assert value(metrics, f"{duration}_sum", **MODEL, error_type="") == 2.5
    assert value(metrics, f"{duration}_bucket", **MODEL, error_type="", le="2.56") == 1
    assert value(metrics, f"{duration}_bucket", **MODEL, error_type="", le="1.28") == 0
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_sum", **MODEL) == 0.5
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_sum", **MODEL) == pytest.approx(0.1)
    labels = {"endpoint": "chat/completions", "status": "200", "channel": "main"}
    assert value(metrics, "canalgate_requests_total", **labels) == 1
    assert value(metrics, "canalgate_attempts_total", **ENDPOINT) == 1
    assert value(metrics, "canalgate_clients_left_total", **ENDPOINT) is None
    assert value(metrics, "canalgate_build_info", version="9.9") == 1


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({"stream": False}, "time_to_first_token_seconds_count"),
        ({"stream": False}, "time_per_output_token_seconds_count"),
        ({"first_byte_s": None}, "time_to_first_token_seconds_count"),
        ({"usage": None}, "time_per_output_token_seconds_count"),
        ({"usage": None}, "token_usage_count"),
        ({"usage": Usage(5, 1)}, "time_per_output_token_seconds_count"),
        ({"usage": Usage(5, 0)}, 'gen_ai_token_type="output"'),
        ({"error_type": "fault"}, "time_to_first_token_seconds_count"),
        ({"error_type": "client_left"}, "time_per_output_token_seconds_count"),
    ],
)
def test_what_is_not_known_makes_no_series(fields, absent):
    assert any(absent in line for line in series(counted(GOOD)))
    assert not [line for line in series(counted(changed(**fields))) if absent in line]


def test_a_cut_stream_is_an_error_though_its_status_is_good():
    metrics = counted(changed(error_type="fault", problem="cut: fault: gone"))
    duration = "gen_ai_server_request_duration_seconds_count"
    assert value(metrics, duration, **MODEL, error_type="fault") == 1
    assert value(metrics, duration, **MODEL, error_type="") is None


@pytest.mark.parametrize(("status", "attempts"), [(499, 0), (499, 1), (200, 1)])
def test_a_client_that_left_is_counted_whenever_it_did(status, attempts):
    left = changed(status=status, attempts=attempts, error_type="client_left")
    assert value(counted(left), "canalgate_clients_left_total", **ENDPOINT) == 1


def test_a_client_that_stalled_has_not_left():
    assert "client_stalled" in str(series(counted(changed(error_type="client_stalled"))))
    assert "clients_left" not in str(series(counted(changed(error_type="client_stalled"))))


def test_attempts_are_of_requests_that_a_channel_was_asked_for():
    metrics = counted(changed(attempts=3), GOOD, REFUSED)
    assert value(metrics, "canalgate_attempts_total", **ENDPOINT) == 4


@pytest.mark.parametrize(
    ("endpoint", "adapter", "operation", "provider"),
    [
        ("responses", "openai", "chat", "openai"),
        ("completions", "azure", "text_completion", "azure"),
        ("embeddings", "gemini", "embeddings", "gemini"),
        ("images/generations", "my-own", "images/generations", "my-own"),
    ],
)
def test_operations_go_by_the_conventions_names_and_providers_by_their_adapters(
    endpoint, adapter, operation, provider
):
    metrics = counted(changed(endpoint=endpoint, adapter=adapter))
    labels = {**MODEL, "gen_ai_operation_name": operation, "gen_ai_provider_name": provider}
    assert value(metrics, "gen_ai_server_request_duration_seconds_count", **labels, error_type="") == 1


@pytest.mark.parametrize("name", ['with "quotes"', "with\nlines", "back\\slash", "模型", ""])
def test_no_name_breaks_the_text(name):
    text = generate_latest(counted(changed(model=name, channel_name=name)).registry).decode()
    assert not [line for line in text.splitlines() if not re.match(r"# |\w+(\{.*\})? \S+$", line)]


def test_two_gateways_do_not_share_their_numbers():
    one, other = counted(), counted()
    one.observe(GOOD)
    found = [value(metrics, "canalgate_attempts_total", **ENDPOINT) for metrics in (one, other)]
    assert found == [1, None]


# What clients may not do to it.


def test_models_that_no_channel_offers_make_no_series():
    once = counted(REFUSED)
    many = counted(REFUSED, *(msgspec.structs.replace(REFUSED, model=f"m{at}") for at in range(500)))
    assert series(many) == series(once)
    assert not [line for line in series(many) if "invented" in line]


def test_paths_that_are_none_make_one_series():
    records = [msgspec.structs.replace(REFUSED, endpoint=f"/wp-admin/{at}") for at in range(500)]
    assert (
        value(counted(*records), "canalgate_requests_total", endpoint="other", status="404", channel="")
        == 500
    )


@pytest.mark.parametrize(
    ("field", "most"), [("model", MOST_MODELS), ("channel_name", MOST_CHANNELS), ("error_type", MOST_ERRORS)]
)
def test_a_label_has_no_end_of_values(field, most):
    metrics = counted(*(changed(**{field: f"v{at}"}) for at in range(most + 50)))
    text = generate_latest(metrics.registry).decode()
    assert len(set(re.findall(r'"(v\d+)"', text))) == most
    assert f'"{OTHER}"' in text


def test_values_that_were_known_stay_known_when_it_is_full():
    bounded = Bounded(2)
    assert [bounded(name) for name in ("a", "b", "c", "a", "d", "b")] == ["a", "b", OTHER, "a", OTHER, "b"]


def test_nothing_of_the_caller_is_shown():
    caller = Caller(77, "secret-token", 78, "secret-user", "secret-group")
    text = generate_latest(counted(changed(caller=caller, problem="secret words")).registry)
    assert b"secret" not in text


# Who may read it.

TOKEN = Settings(token="s3cret")


@pytest.mark.parametrize(
    "given",
    [None, "", "s3cret", "Bearer", "Bearer ", "Bearer S3CRET", "Bearer s3cre", "Bearer s3crett",
     "Basic s3cret", "Bearer s3cret s3cret", "Bearer \udcff", "Bearer s3cret\udcff", "Bearer ключ"],
)  # fmt: skip
def test_a_wrong_token_is_refused_even_on_this_machine(given):
    headers = {} if given is None else {"authorization": given}
    assert not is_admitted(TOKEN, "127.0.0.1", headers)


@pytest.mark.parametrize("given", ["Bearer s3cret", "bearer s3cret", "Bearer  s3cret "])
def test_the_token_opens_the_page_from_anywhere(given):
    assert is_admitted(TOKEN, "203.0.113.9", {"authorization": given, "x-forwarded-for": "198.51.100.1"})


def test_a_token_may_have_any_letters():
    assert is_admitted(Settings(token="ключ"), "", {"authorization": "Bearer ключ"})


@pytest.mark.parametrize(
    "remote", ["", "203.0.113.9", "10.0.0.1", "::", "0.0.0.0", "localhost", "::ffff:10.0.0.1"]
)
def test_without_a_token_no_other_machine_reads_it(remote):
    assert not is_admitted(Settings(), remote, {})


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_reads_it(remote):
    assert is_admitted(Settings(), remote, {})


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
def test_what_a_proxy_passes_on_is_not_from_this_machine(name):
    assert not is_admitted(Settings(), "127.0.0.1", {name: "127.0.0.1"})


# Settings.


@pytest.mark.parametrize("path", ["/m", "/private/my-metrics_1.0", "/metrics/", "/v1x"])
def test_any_other_path_is_taken(path):
    assert read_settings({"path": path}).path == path


def test_the_defaults_need_no_table():
    assert read_settings({}) == Settings("/metrics", "")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"pth": "/x"}, "`pth`"),
        ({"path": 5}, "$.path"),
        ({"token": 5}, "$.token"),
        ({"path": "metrics"}, "path = 'metrics'"),
        ({"path": ""}, "path = ''"),
        ({"path": "/"}, "path = '/'"),
        ({"path": "/{all}"}, "path = '/{all}'"),
        ({"path": "/m?x=1"}, "path = '/m?x=1'"),
        ({"path": "//"}, "path = '//'"),
        ({"path": "/a b"}, "path = '/a b'"),
        ({"path": "/v1"}, "path = '/v1': the gateway's own"),
        ({"path": "/api/metrics"}, "path = '/api/metrics': the gateway's own"),
        ({"path": "/health/metrics/"}, "path = '/health/metrics/': the gateway's own"),
        ({"token": ""}, "token: empty"),
        ({"token": "  "}, "token: empty"),
    ],
)
def test_a_wrong_setting_is_named(table, said):
    with pytest.raises(ValueError, match=r"^\[plugins\.prometheus\]") as caught:
        read_settings(table)
    assert said in str(caught.value)


def test_a_wrong_table_does_not_tell_the_token():
    with pytest.raises(ValueError, match="path") as caught:
        read_settings({"path": "x", "token": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_without_its_library_it_says_what_to_install():
    code = "import sys; sys.modules['prometheus_client'] = None; import canalgate.plugins.prometheus"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert "pip install 'canalgate[prometheus]'" in done.stderr.splitlines()[-1]
