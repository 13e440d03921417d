"""Every channel type of the other gateways has an adapter of ours, or a reason."""

import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.importers.special import Special, made
from canalgate.proxy.importers.types import AI_PROXY, NEW_API, ONE_API

TABLES = {"One API": ONE_API, "New API": NEW_API, "AI Proxy": AI_PROXY}


@pytest.mark.parametrize("name", TABLES)
def test_every_type_names_an_adapter_that_is_there(name, tmp_path):
    adapters = PluginManager(BUILTIN, tmp_path, (), ()).adapters
    named = {target.adapter for target in TABLES[name].values() if not isinstance(target, str)}
    assert named <= set(adapters)


def test_one_api_has_every_type_of_its_documents():
    assert set(ONE_API) == set(range(52))


@pytest.mark.parametrize("name", TABLES)
def test_a_type_at_its_usual_address_leads_to_an_address(name, tmp_path):
    adapters = PluginManager(BUILTIN, tmp_path, (), ()).adapters
    without = {
        number
        for number, target in TABLES[name].items()
        if not isinstance(target, str) and not target.base_url("") and not adapters[target.adapter].base_url
    }
    azure_and_aws = {3, 33} | ({4} if name == "AI Proxy" else set())
    assert without == azure_and_aws


@pytest.mark.parametrize(
    ("table", "number", "given", "ours"),
    [
        (ONE_API, 1, "", ""),
        (ONE_API, 1, "https://api.openai.com/", ""),
        (ONE_API, 1, "https://proxy.example", "https://proxy.example/v1"),
        (ONE_API, 1, "https://proxy.example/v1/", "https://proxy.example/v1"),
        (ONE_API, 1, "https://gateway.ai.cloudflare.com/v1/a/b/openai", "https://gateway.ai.cloudflare.com/v1/a/b/openai"),
        (ONE_API, 2, "", "https://oa.api2d.net/v1"),
        (ONE_API, 14, "https://claude.example", "https://claude.example/v1"),
        (ONE_API, 15, "", ""),
        (ONE_API, 16, "https://glm.example", "https://glm.example/api/paas/v4"),
        (ONE_API, 24, "https://g.example", "https://g.example/v1beta"),
        (ONE_API, 40, "https://ark.example", "https://ark.example/api/v3"),
        (ONE_API, 50, "https://any.example/v2/x", "https://any.example/v2/x"),
        (NEW_API, 8, "https://any.example/v1/chat/completions", "https://any.example/v1/chat/completions"),
        (NEW_API, 38, "", "https://api.jina.ai/v1"),
        (AI_PROXY, 1, "https://api.openai.com/v1", ""),
        (AI_PROXY, 1, "https://proxy.example/v1", "https://proxy.example/v1"),
        (AI_PROXY, 17, "https://dashscope.aliyuncs.com", ""),
        (AI_PROXY, 52, "", "https://open.bigmodel.cn/api/coding/paas/v4"),
    ],
)  # fmt: skip
def test_an_address_leads_to_the_same_place(table, number, given, ours):
    assert table[number].base_url(given) == ours


@pytest.mark.parametrize(
    ("adapter", "key", "settings", "our_key", "options"),
    [
        ("bedrock", "AK|SK|us-east-1", {}, "AK|SK", {"region": "us-east-1"}),
        ("bedrock", "eu-central-1|api-key", {}, "api-key", {"region": "eu-central-1"}),
        (
            "bedrock",
            "",
            {"ak": "A", "sk": "S", "region": "us-gov-west-1"},
            "A|S",
            {"region": "us-gov-west-1"},
        ),
        ("azure", "k|2024-10-21", {}, "k", {"api_version": "2024-10-21", "dots": "strip"}),
        ("azure", "k", {"dots": "keep"}, "k", {"dots": "keep"}),
        ("spark", "app|secret|key", {}, "key:secret", {}),
        ("spark", "password", {}, "password", {}),
        ("hunyuan-native", "1|id|secret", {}, "id|secret", {}),
        ("coze", "pat_1|user", {}, "pat_1", {}),
        ("qianfan", "bce-v3/a/b|app-1", {}, "bce-v3/a/b", {"appid": "app-1"}),
        ("qianfan", "ak|sk", {}, "ak|sk", {}),
        ("openai", "k1\n\n k2 \n", {}, "k1\nk2", {}),
    ],
)
def test_a_key_with_more_in_it_is_taken_apart(adapter, key, settings, our_key, options):
    ours = made(Special(adapter, "", key, settings), ("m",))
    assert (ours.key, ours.options) == (our_key, options)


def test_models_have_their_provider_s_names():
    aws = made(
        Special("bedrock", "", "A|S|us-east-1"), ("claude-2.1", "claude-sonnet-4-20250514", "amazon.x")
    )
    assert aws.mapping == {
        "claude-2.1": "anthropic.claude-v2:1",
        "claude-sonnet-4-20250514": "anthropic.claude-sonnet-4-20250514-v1:0",
    }
    assert made(Special("spark", "", "k"), ("SparkDesk-v4.0",)).mapping == {"SparkDesk-v4.0": "4.0Ultra"}


@pytest.mark.parametrize(
    ("special", "adapter", "base_url"),
    [
        (Special("zhipu", "", "a.b"), "chatglm", ""),
        (Special("zhipu", "https://glm.example/api/paas/v4", "a.b"), "zhipu", "https://glm.example/api/paas/v4"),
        (Special("dashscope", "", "k"), "dashscope-compatible", ""),
        (Special("dashscope", "https://q.example/api/v1", "k"), "dashscope", "https://q.example/api/v1"),
        (Special("openai", "https://api.cloudflare.com/v1", "k", {"user_id": "0a1b"}), "openai",
         "https://api.cloudflare.com/client/v4/accounts/0a1b/ai/v1"),
    ],
)  # fmt: skip
def test_an_adapter_may_depend_on_more_than_the_type(special, adapter, base_url):
    ours = made(special, ("chatglm_pro",))
    assert (ours.adapter, ours.base_url) == (adapter, base_url)


def test_cloudflare_without_an_account_is_refused():
    with pytest.raises(ValueError, match="account id"):
        made(Special("openai", "https://api.cloudflare.com/v1", "k", {"user_id": "../x"}), ("m",))
