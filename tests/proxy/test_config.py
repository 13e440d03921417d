"""Settings: what is wrong is said in one line with file, key, value and remedy."""

import re

import pytest
from canalgate.proxy.config import Config, load
from canalgate.proxy.errors import ConfigError


def refusal(path=None, environ=None):
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


WRONG = [
    ('[server]\nport = "3000"', "server.port", "'3000'", "remove the quotes"),
    ("[server]\nport = 1.5", "server.port", "1.5", "expected `int`"),
    ("[server]\nprot = 3000", "server.prot", "3000", "see config.example.toml"),
    ("[servr]\nport = 3000", "servr", "3000", "see config.example.toml"),
    ("server = 3000", "server", "3000", "expected `object`"),
    ("[server]\nhost = 1", "server.host", "1", "put the value in quotes"),
    ('[demo]\nenabled = "yes"', "demo.enabled", "'yes'", "write true or false"),
    ('[plugins]\ndisabled = "demo"', "plugins.disabled", "'demo'", "write a list"),
    ("[plugins]\ndisabled = [1]", "plugins.disabled", "1", "put the value in quotes"),
    ('[upstream]\nidle_s = "5"', "upstream.idle_s", "'5'", "remove the quotes"),
    ('[log]\nlevel = "loud"', "log.level", "'loud'", "see config.example.toml"),
    ("[server]\nport = 65536", "server.port", "65536", "expected 0 to 65535"),
    ("[server]\nport = -1", "server.port", "-1", "expected 0 to 65535"),
    ("[server]\nheartbeat_s = -1.0", "server.heartbeat_s", "-1.0", "expected 0 (for none) or more"),
    ("[server]\nresume_s = -0.5", "server.resume_s", "-0.5", "expected 0 (for none) or more"),
    ("[server]\nearly_heartbeat_s = nan", "server.early_heartbeat_s", "nan", "expected 0 (for none) or more"),
    ("[server]\nresume_bytes = 0", "server.resume_bytes", "0", "expected a number above 0"),
    ("[server]\nresume_total_bytes = -1", "server.resume_total_bytes", "-1", "expected a number above 0"),
    (
        "[server]\nheartbeat_s = 0.0\nearly_heartbeat_s = 5.0",
        "server.early_heartbeat_s",
        "5.0",
        "without effect while heartbeat_s is 0",
    ),
    ("[server]\nmax_body_bytes = 0", "server.max_body_bytes", "0", "above 0"),
    ("[upstream]\nconnect_s = -1.0", "upstream.connect_s", "-1", "above 0"),
    ("[upstream]\nidle_s = nan", "upstream.idle_s", "nan", "above 0"),
    ("[upstream]\nidle_s = inf", "upstream.idle_s", "inf", "a number"),
    ('[server]\ncors_origins = ["example.com"]', "server.cors_origins", "example.com", "https://example.com"),
    ('[server]\ncors_origins = ["https://a.com/"]', "server.cors_origins", "https://a.com/", "a site like"),
    ('[server]\ntrusted_proxies = ["10.0.0.0/33"]', "server.trusted_proxies", "0.0/33", "10.0.0.0/8"),
    ('[upstream]\nca_file = "/no/such"', "upstream.ca_file", "/no/such", "no such file"),
]


@pytest.mark.parametrize(("text", "key", "value", "remedy"), WRONG)
def test_a_wrong_setting_names_file_key_value_and_remedy(written, text, key, value, remedy):
    path = written(text)
    message = refusal(path)
    assert message.startswith(f"{path}: {key}")
    assert value in message
    assert remedy in message


@pytest.mark.parametrize("value", ['"abc"', "123456"])
def test_a_wrong_secret_is_not_repeated(written, value):
    path = written(f"[data]\nsecret_key = {value}")
    message = refusal(path)
    assert message.startswith(f"{path}: data.secret_key")
    assert value.strip('"') not in message


@pytest.mark.parametrize("text", ["[server", "port = ", "a = 1\na = 2", b"a = '\xff'"])
def test_what_is_no_toml_names_the_file(written, text):
    path = written(text)
    assert refusal(path).startswith(f"{path}: not valid TOML: ")


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_named_file_that_cannot_be_read_is_an_error(tmp_path, name):
    path = tmp_path / name
    assert refusal(path).startswith(f"{path}: ")


def test_a_file_named_by_the_environment_must_be_there(tmp_path):
    assert "missing.toml" in refusal(environ={"CANALGATE_CONFIG": str(tmp_path / "missing.toml")})


def test_without_any_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Config()


def test_config_toml_in_the_working_directory_is_read(written, monkeypatch):
    monkeypatch.chdir(written("[server]\nport = 1").parent)
    assert load(None, {}).server.port == 1


OVERRIDES = [
    ("SERVER__PORT", "8080", 8080),
    ("SERVER__GRACE_S", "2.5", 2.5),
    ("UPSTREAM__IDLE_S", "7", 7.0),
    ("SERVER__HOST", "0.0.0.0", "0.0.0.0"),
    ("DATA__DIR", "true", "true"),
    ("DEMO__ENABLED", "false", False),
    ("LOG__FORMAT", "json", "json"),
    ("PLUGINS__DISABLED", "demo, openai", ("demo", "openai")),
    ("PLUGINS__DISABLED", '["demo", "openai"]', ("demo", "openai")),
    ("PLUGINS__DISABLED", "", ()),
    ("SERVER__TRUSTED_PROXIES", "10.0.0.0/8,::1", ("10.0.0.0/8", "::1")),
]


@pytest.mark.parametrize(("name", "text", "value"), OVERRIDES)
def test_the_environment_sets_each_type(written, name, text, value):
    config = load(written(""), {f"CANALGATE_{name}": text})
    section, _, key = name.lower().partition("__")
    assert getattr(getattr(config, section), key) == value


def test_the_environment_goes_before_the_file_and_leaves_its_other_keys(written):
    path = written('[server]\nport = 1\nhost = "::1"')
    server = load(path, {"CANALGATE_SERVER__PORT": "2"}).server
    assert (server.port, server.host) == (2, "::1")


BAD_ENVIRONMENT = [
    ("CANALGATE_SERVER__PROT", "1", "CANALGATE_SERVER__PROT names no setting; see config.example.toml"),
    ("CANALGATE_SERVR__PORT", "1", "CANALGATE_SERVR__PORT names no setting; see config.example.toml"),
    ("CANALGATE_SERVER__PORT", "many", "CANALGATE_SERVER__PORT='many': expected a whole number"),
    ("CANALGATE_SERVER__PORT", "1.5", "CANALGATE_SERVER__PORT='1.5': expected a whole number"),
    ("CANALGATE_UPSTREAM__IDLE_S", "", "CANALGATE_UPSTREAM__IDLE_S='': expected a number"),
    ("CANALGATE_DEMO__ENABLED", "yes", "CANALGATE_DEMO__ENABLED='yes': expected true or false"),
    ("CANALGATE_PLUGINS__DISABLED", "[demo]", "CANALGATE_PLUGINS__DISABLED='[demo]': expected a,b,c"),
    ("CANALGATE_LOG__FORMAT", "xml", "log.format = 'xml'"),
    ("CANALGATE_SERVER__PORT", "70000", "server.port = 70000: expected 0 to 65535"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD_ENVIRONMENT)
def test_a_wrong_variable_is_named(written, name, value, said):
    assert refusal(written(""), {name: value}).startswith(f"environment: {said}")


def test_other_variables_with_our_prefix_are_left_alone(written):
    assert load(written(""), {"CANALGATE_TEST_LOOP": "x", "SERVER__PORT": "1"}) == Config()


ADDRESS = "mysql://anna:hunter22@db/gate"


@pytest.mark.parametrize(
    ("file", "environ"),
    [
        (ADDRESS, {}),
        ("", {"CANALGATE_DATA__DATABASE": ADDRESS}),
        ("postgresql://file", {"CANALGATE_DATA__DATABASE": ADDRESS}),
        ("", {"SQL_DSN": ADDRESS}),
        ("postgresql://file", {"SQL_DSN": ADDRESS}),
        ("", {"SQL_DSN": "another", "CANALGATE_DATA__DATABASE": ADDRESS}),
        (ADDRESS, {"SQL_DSN": ""}),
    ],
)
def test_a_database_is_named_by_file_environment_or_one_apis_variable(written, file, environ):
    config = load(written(f'[data]\ndir = "d"\ndatabase = "{file}"'), environ)
    assert (config.data.database, config.data.dir) == (ADDRESS, "d")


@pytest.mark.parametrize(
    "text",
    [f'[data]\ndatabase = ["{ADDRESS}"]', f'[data]\ndatabse = "{ADDRESS}"', f'data = "{ADDRESS}"'],
)
def test_a_databases_password_is_not_repeated(written, text):
    assert "hunter22" not in refusal(written(text))


def test_settings_in_a_traceback_show_no_secret():
    config = load(environ={"CANALGATE_DATA__DATABASE": ADDRESS, "CANALGATE_DATA__SECRET_KEY": "ab" * 32})
    assert "hunter22" not in repr(config)
    assert "abab" not in repr(config)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"CURRENCY": "yuan"}, "money.currency = 'yuan': expected a code of ISO 4217 like CNY"),
        ({"CURRENCY": ""}, "money.currency = '': expected a code"),
        ({"CURRENCY": "CNY", "PER_DOLLAR": "0"}, "money.per_dollar = '0': expected more than 0"),
        ({"CURRENCY": "CNY", "PER_DOLLAR": "-7"}, "money.per_dollar = '-7': expected a ratio"),
        ({"CURRENCY": "CNY", "PER_DOLLAR": "7,2"}, "money.per_dollar = '7,2': expected a ratio"),
        ({"CURRENCY": "CNY", "PER_DOLLAR": "7.1234567"}, "of at most 6 decimals"),
        ({"PER_DOLLAR": "7.2"}, "money.per_dollar = '7.2': a USD is 1; set money.currency too"),
    ],
)
def test_a_unit_of_money_that_makes_no_sense_is_refused(settings, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        load(None, {f"CANALGATE_MONEY__{name}": value for name, value in settings.items()})


@pytest.mark.parametrize(("currency", "rate"), [("USD", "1"), ("USD", "1.0"), ("CNY", "7.2"), ("EUR", "0.9")])
def test_a_unit_of_money_is_kept_as_it_is_written(currency, rate):
    config = load(None, {"CANALGATE_MONEY__CURRENCY": currency, "CANALGATE_MONEY__PER_DOLLAR": rate})
    assert (config.money.currency, config.money.per_dollar) == (currency, rate)
