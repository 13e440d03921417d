"""Settings in their layers: what goes before what, and what makes no sense."""

import pytest
from canalgate.proxy.config import Config, Quota, Routing
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.settings import FIXED, LIVE, Settings, helps, names, value_of, with_value

FILE = Config(routing=Routing(attempts=7), quota=Quota(new_user="5usd"))


def made(stored, **environ):
    return Settings(FILE, stored, {f"CANALGATE_{name}": text for name, text in environ.items()})


def test_what_is_kept_goes_before_the_file_and_the_file_before_the_default():
    settings = made({"quota.new_user": "unlimited"})
    assert settings.config.quota.new_user == "unlimited"
    assert settings.config.routing.attempts == 7
    assert settings.config.routing.mode == "priority"


def test_the_environment_goes_before_what_is_kept():
    settings = made({"routing.attempts": 2}, ROUTING__ATTEMPTS="7")
    assert settings.config.routing.attempts == 7
    assert settings.why_fixed("routing.attempts") == "environment"


@pytest.mark.parametrize(("name", "why"), [
    ("data.database", "secret"), ("data.dir", "start"), ("admin.key", "secret"), ("events.webhook", "secret"),
    ("server.port", "start"), ("plugins.dir", "start"), ("plugins.settings", "start"),
    ("upstream.private", "guard"), ("server.trusted_proxies", "guard"), ("routing.mode", None),
])  # fmt: skip
def test_what_is_not_for_the_console_says_why(name, why):
    assert made({}).why_fixed(name) == why


@pytest.mark.parametrize(("name", "value"), [("admin.key", "x" * 20), ("upstream.private", True)])
def test_what_is_not_for_the_console_is_not_taken_from_the_database(name, value):
    assert made({name: value}).config == FILE


def test_what_can_hold_at_once_does_and_the_rest_waits_for_the_next_start():
    settings, told = made({}), []
    settings.followers.append(told.append)
    settings.follow({"routing.attempts": 3, "demo.enabled": False})
    assert told == [settings.config]
    assert (settings.config.routing.attempts, settings.config.demo.enabled) == (3, True)
    assert made(settings.stored).start.demo.enabled is False


def test_what_is_forgotten_is_as_in_the_file_again_and_nobody_is_told_of_nothing():
    settings, told = made({"routing.attempts": 3, "demo.enabled": False}), []
    settings.followers.append(told.append)
    settings.follow({})
    assert (settings.config.routing.attempts, settings.config.demo.enabled) == (7, False)
    settings.follow({})
    assert len(told) == 1


@pytest.mark.parametrize("stored", [
    {"routing.attempts": "many"}, {"routing.attempts": 0}, {"routing.no_more": 1}, {"nothing": 1},
    {"routing": {"attempts": 3}}, {"quota.invited": "lots"}, {"prices.default_prompt": "cheap"},
])  # fmt: skip
def test_a_value_that_makes_no_sense_any_more_is_left_out_and_told_of(stored, caplog):
    assert made({"demo.enabled": False, **stored}).start.demo.enabled is False
    assert made(stored).start == FILE
    assert "setting left out" in caplog.text


@pytest.mark.parametrize(("name", "value", "told"), [
    ("routing.attempts", 0, "routing.attempts = 0: expected a number up to 20"),
    ("routing.attempts", 1.5, "expected `int`, got `float`"),
    ("routing.attempts", True, "expected `int`, got `bool`"),
    ("routing.mode", "fastest", "invalid enum value"),
    ("overload.wait_s", 1e9, "expected a number up to 3600"),
    ("ledger.keep_days", -1, "expected 0"),
    ("quota.inviter", "-1usd", "quota.inviter"),
    ("prices.default_completion", "-1", "prices.default_completion"),
    ("server.early_heartbeat_s", "1", "expected `float`, got `str`"),
    ("server.colour", 1, "there is no setting"),
])  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused_in_words(name, value, told):
    with pytest.raises(ConfigError) as refused:
        with_value(Config(), name, value)
    assert told in str(refused.value)


def test_values_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="without effect while heartbeat_s is 0"):
        with_value(with_value(Config(), "server.heartbeat_s", 0), "server.early_heartbeat_s", 1)


def test_every_name_is_a_setting_and_has_its_help():
    assert set(FIXED) | LIVE <= set(names())
    assert set(helps()) == set(names()) - {"plugins.settings"}
    assert all(value_of(Config(), name) is not None for name in names())
