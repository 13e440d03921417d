"""Types of channels by AI Proxy's numbers, their addresses and keys: both ways, for every number."""

import pytest
from canalgate.proxy.admin.aiproxy.forms import Form, edited, new_channels, shown
from canalgate.proxy.admin.aiproxy.keys import kept_or_new, masked, masked_proxy
from canalgate.proxy.admin.aiproxy.types import KINDS, kind_of, metas
from canalgate.proxy.config import Config
from canalgate.proxy.host import load_plugins
from canalgate.proxy.importers.special import taken_apart
from canalgate.proxy.manage.refused import Refused
from canalgate.proxy.records import ChannelRow
from canalgate.proxy.store.rollups import Total

ADAPTERS = load_plugins(Config()).adapters
KEY = "sk-0123456789abcdef"
ALI = "https://dashscope.aliyuncs.com"

KEYS = {13: "ak|sk", 15: "id|secret", 16: "id.secret", 33: "eu-west-1|ak|sk", 52: "id.secret"}
BASES = {
    3: "https://x.openai.azure.com",
    4: "https://x.openai.azure.com",
    37: "https://h/v1",
    50: "https://h/v1",
}


def made(number, **fields):
    form = {"type": number, "name": "n", "models": ["m"], "key": KEYS.get(number, KEY), **fields}
    form.setdefault("base_url", BASES.get(number, ""))
    (only,) = new_channels(Form(**form), ADAPTERS, 1)
    return only


def listed(one):
    return shown(one.row, one.number, ADAPTERS, Total(), refused=False)


@pytest.mark.parametrize("number", sorted(KINDS))
def test_a_channel_of_each_type_is_listed_with_the_number_it_was_made_with(number):
    one = made(number)
    assert one.row.type == KINDS[number].adapter
    assert listed(one)["type"] == number
    assert listed(one)["base_url"] == BASES.get(number, "")


@pytest.mark.parametrize("number", sorted(set(KINDS) - {33}))
def test_a_type_keeps_its_number_behind_an_address_of_somebodys_own(number):
    assert listed(made(number, base_url="https://proxy.example/a/b"))["type"] == number


@pytest.mark.parametrize("number", sorted(KINDS))
def test_a_channel_that_comes_back_as_it_was_listed_stays_as_it_is(number):
    one = made(number)
    fields = {name: value for name, value in listed(one).items() if name in Form.__struct_fields__}
    fields["models"], fields["sets"] = list(fields["models"]), list(fields["sets"])
    again = edited(one.row, one.number, Form(**fields), ADAPTERS)
    assert (again.row, again.number) == (one.row, one.number)


def test_metas_name_each_type_that_can_be_made_and_no_other():
    said = metas(ADAPTERS)
    assert list(said) == [str(number) for number in sorted(KINDS)]
    assert said["17"] == {
        "name": "ali", "defaultBaseUrl": ALI,
        "keyHelp": ADAPTERS["dashscope-compatible"].key_help,
    }  # fmt: skip
    assert said["33"] == {"name": "aws", "keyHelp": "region|ak|sk or region|apikey", "defaultBaseUrl": ""}


def test_an_adapter_that_is_not_loaded_is_not_offered():
    assert "30" not in metas({name: one for name, one in ADAPTERS.items() if name != "ollama-native"})


@pytest.mark.parametrize(
    ("number", "given", "kept"),
    [
        (1, "http://h/v1/", "http://h/v1"),
        (1, " http://h/v1/chat/completions ", "http://h/v1"),
        (1, "http://h/v1/embeddings/", "http://h/v1"),
        (14, "http://h/v1/messages", "http://h/v1"),
        (1, "https://api.openai.com/v1", ""),
        (17, "", ""),
        (17, ALI, ""),
        (17, "http://h", "http://h/compatible-mode/v1"),
        (17, "http://h/compatible-mode/v1", "http://h/compatible-mode/v1"),
        (24, "http://h/", "http://h/v1beta"),
        (34, "", "https://api.coze.com"),
        (40, "http://h/api/v3/chat/completions", "http://h/api/v3"),
        (52, "", "https://open.bigmodel.cn/api/coding/paas/v4"),
    ],
)
def test_an_address_is_kept_as_the_adapter_takes_it(number, given, kept):
    assert made(number, base_url=given).row.base_url == kept


@pytest.mark.parametrize("number", [3, 4, 37, 50])
def test_a_type_without_an_address_of_its_own_needs_one(number):
    with pytest.raises(Refused, match=r"base_url: .* has no address of its own"):
        made(number, base_url="")


@pytest.mark.parametrize("number", [0, -1, 2, 5, 11, 21, 42, 44, 46, 55, 56, 2**40])
def test_a_number_that_is_no_type_here_is_refused(number):
    with pytest.raises(Refused, match="type: invalid channel type"):
        made(number)


def test_a_channel_of_an_adapter_that_ai_proxy_does_not_know_is_openais_and_stays_what_it_is():
    row = ChannelRow(1, "ppio", "n", "", KEY, ("m",), 1)
    assert kind_of(row, None, ADAPTERS).number == 1
    again = edited(row, None, Form(type=1, name="new", base_url=""), ADAPTERS).row
    assert (again.type, again.name, again.base_url) == ("ppio", "new", "")


@pytest.mark.parametrize(
    ("number", "key", "kept", "options"),
    [
        (3, "k|2024-10-21", "k", {"api_version": "2024-10-21", "dots": "strip"}),
        (4, "k", "k", {"dots": "keep"}),
        (18, "id|token", "id:token", {}),
        (18, "id:token", "id:token", {}),
        (27, "k|group", "k", {}),
        (33, "us-west-2|a|s", "a|s", {"region": "us-west-2"}),
        (33, "us-west-2|apikey", "apikey", {"region": "us-west-2"}),
        (34, "token|user", "token", {}),
        (13, "ak|sk", "ak|sk", {}),
    ],
)
def test_a_key_is_taken_apart_as_its_type_has_it(number, key, kept, options):
    row = made(number, key=key).row
    assert (row.key, dict(row.options)) == (kept, options)


def test_each_line_of_a_key_makes_a_channel():
    form = Form(type=1, name="n", models=["m"], key=f"{KEY}1\n\n {KEY}2 \n")
    assert [one.row.key for one in new_channels(form, ADAPTERS, 1)] == [f"{KEY}1", f"{KEY}2"]


def test_the_region_of_a_masked_key_is_kept():
    row = made(33).row
    again = edited(row, None, Form(key=masked(row.key), configs={}), ADAPTERS).row
    assert (again.key, again.options) == (row.key, row.options)


@pytest.mark.parametrize(
    ("number", "configs", "options"),
    [
        (1, {"map_reasoning_to_reasoning_content": True}, {"tidy": "on"}),
        (1, {"ask_usage": False, "unheard_of": False, "nothing": None}, {"ask_usage": "off"}),
        (13, {"appid": "app-1"}, {"appid": "app-1"}),
        (24, {"safety": "BLOCK_NONE"}, {"safety": "BLOCK_NONE"}),
    ],
)
def test_settings_of_a_type_are_options_of_the_adapter(number, configs, options):
    assert dict(made(number, configs=configs).row.options) == options


@pytest.mark.parametrize(
    ("number", "configs"),
    [
        (1, {"unheard_of": True}),
        (24, {"safety": "NEVER"}),
        (1, {"tidy": {"a": 1}}),
        (14, {"max_tokens": [1]}),
    ],
)
def test_a_setting_that_nothing_would_come_of_is_refused(number, configs):
    with pytest.raises(Refused):
        made(number, configs=configs)


def test_another_type_takes_none_of_the_old_ones_options():
    one = made(3, key="k|2024-10-21")
    again = edited(one.row, None, Form(type=1, base_url="http://h/v1", key="k2"), ADAPTERS).row
    assert (again.type, dict(again.options), again.base_url) == ("openai", {}, "http://h/v1")


@pytest.mark.parametrize(
    ("key", "mask"),
    [
        ("", ""),
        ("short", "********"),
        ("fifteen-letters", "********"),
        ("sk-0123456789abcdef", "sk-0********cdef"),
        ("sk-0123456789abcdef\nshort", "sk-0********cdef\n********"),
    ],
)
def test_a_mask_shows_ends_of_a_long_key_alone_and_stands_for_it(key, mask):
    assert masked(key) == mask
    for given in (mask, mask.replace("\n", ""), mask.replace("\n", " ")):
        assert kept_or_new("key", given, key, masked) == key


def test_a_proxy_is_shown_without_its_password_and_recognised():
    proxy = "socks5://user:pass@host:1080"
    assert masked_proxy(proxy) == "socks5://user:********@host:1080"
    assert kept_or_new("proxy_url", masked_proxy(proxy), proxy, masked_proxy) == proxy
    assert masked_proxy("http://host:1") == "http://host:1"


def test_the_mask_of_another_key_is_refused():
    with pytest.raises(Refused, match="key: this is the mask of another value"):
        kept_or_new("key", "sk-0********wxyz", KEY, masked)


def test_no_adapter_but_those_with_a_rule_has_its_key_changed():
    assert taken_apart("openai", "a|b\n c ") == ("a|b\nc", {})
