"""LiteLLM's config: which entries are channels, and what is said of the others."""

import pytest
from canalgate.proxy.importers import SourceError, plan_of

HEAD = "model_list:\n"


@pytest.fixture
def plan(tmp_path):
    """The plan of a config."""

    async def read(text, **environ):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return await plan_of("litellm", str(path), environ=environ)

    return read


def entry(name, model, **more):
    parameters = "".join(f", {key}: {value}" for key, value in more.items())
    return f"  - {{model_name: {name!r}, litellm_params: {{model: {model!r}{parameters}}}}}\n"


async def test_entries_of_one_account_are_one_channel(plan):
    found = await plan(HEAD + entry("a", "groq/x", api_key="k") + entry("b", "groq/b", api_key="k"))
    (channel,) = found.channels
    assert (channel.row.type, channel.row.models) == ("groq", ("a", "b"))
    assert channel.row.mapping == {"a": "x"}


async def test_a_name_that_is_offered_twice_is_two_channels(plan):
    text = HEAD + entry("a", "groq/x", api_key="k") + entry("a", "groq/y", api_key="k")
    found = await plan(text)
    assert [one.row.mapping for one in found.channels] == [{"a": "x"}, {"a": "y"}]
    assert len({one.source_id for one in found.channels}) == 2
    again = await plan(text)
    assert [one.source_id for one in again.channels] == [one.source_id for one in found.channels]


async def test_order_and_weight_become_priority_and_weight(plan):
    found = await plan(
        HEAD + entry("a", "xai/x", api_key="k", order=2) + entry("b", "xai/y", api_key="k", weight=5)
    )
    assert [(one.row.priority, one.row.weight) for one in found.channels] == [(-2, 1), (0, 5)]


async def test_a_key_that_is_not_stated_is_the_provider_s_variable(plan):
    found = await plan(HEAD + entry("a", "anthropic/claude-x"), ANTHROPIC_API_KEY="sk-ant-1")
    assert found.channels[0].row.key == "sk-ant-1"


async def test_variables_of_the_config_count_too(plan):
    text = (
        "environment_variables: {MINE: sk-mine}\n" + HEAD + entry("a", "openai/x", api_key="os.environ/MINE")
    )
    assert (await plan(text)).channels[0].row.key == "sk-mine"


@pytest.mark.parametrize(
    ("name", "model", "adapter"),
    [("a", "gpt-4o", "openai"), ("a", "claude-3-opus", "anthropic"), ("a", "command-r", "cohere"),
     ("a", "openrouter/openai/gpt-4o", "openrouter"), ("a", "azure/dep", "azure")],
)  # fmt: skip
async def test_a_provider_is_known_by_its_prefix_or_the_model_s_name(plan, name, model, adapter):
    found = await plan(HEAD + entry(name, model, api_key="k", api_base="https://x.example/v1"))
    assert found.channels[0].row.type == adapter


@pytest.mark.parametrize(
    ("name", "model", "more", "words"),
    [
        ("*", "openai/*", {}, "matches none"),
        ("", "openai/x", {}, "no name"),
        ("a", "somebody/x", {}, "not known"),
        ("a", "", {}, "not known"),
        ("a", "vertex_ai/gemini", {}, "Vertex AI"),
        ("a", "openai/x", {"api_key": "os.environ/MISSING"}, "MISSING"),
    ],
)
async def test_an_entry_that_cannot_come_is_left_out_with_the_reason(plan, name, model, more, words):
    found = await plan(HEAD + entry(name, model, **more))
    assert found.channels == []
    assert any(words in one.why for one in found.left_out)


async def test_what_has_no_place_here_is_named(plan):
    text = HEAD + entry("a", "openai/x", api_key="k", rpm=5, timeout=3) + "litellm_settings: {cache: true}\n"
    said = [one.what for one in (await plan(text)).left_out]
    assert said == ["model 1 'a': rpm, timeout", "litellm_settings"]


@pytest.mark.parametrize("text", ["a: 1", "model_list: {}", "[]", "", "model_list: ["])
async def test_what_is_no_config_is_refused(plan, text):
    with pytest.raises(SourceError, match=r"model_list|YAML"):
        await plan(text)


@pytest.mark.parametrize(
    "rubbish", ["- 5", "- null", "- [1]", "- {model_name: {a: b}}", "- {litellm_params: 7}"]
)
async def test_an_entry_that_is_none_keeps_no_other_from_coming(plan, rubbish):
    found = await plan(HEAD + f"  {rubbish}\n" + entry("a", "openai/x", api_key="k"))
    assert [one.row.models for one in found.channels] == [("a",)]


async def test_a_stranger_cannot_name_a_file(tmp_path):
    for kind in ("litellm", "oneapi"):
        with pytest.raises(SourceError):
            await plan_of(kind, str(tmp_path / "x"), allow_files=False)


async def test_a_kind_that_is_none_is_refused():
    with pytest.raises(SourceError, match="oneapi"):
        await plan_of("dify", "x")
