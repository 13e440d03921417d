"""An adapter as a file in the plugin folder serves requests like any other."""

import support
from support import json_answer

ACME = """
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import hookimpl


class Acme(OpenAIAdapter):
    name = "acme"
    title = "Acme"
    base_url = "https://api.acme.example/v1"

    def auth(self, call):
        return {"x-acme-key": call.credential.value}


@hookimpl
def register_adapters(register):
    register(Acme())
"""


async def test_a_file_dropped_in_is_served(tmp_path, provider):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "acme.py").write_text(ACME)
    provider.says(json_answer({"id": "x", "choices": []}))
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", type="acme", key="secret")
        answer = await gateway.chat()
    assert (answer.status, provider.asked[0].header("x-acme-key")) == (200, "secret")


async def test_a_channel_whose_file_is_gone_is_kept_and_says_so(tmp_path, provider):
    async with support.gateway(tmp_path) as gateway:
        row = await gateway.add_channel(provider, "m", type="acme")
        answer = await gateway.chat(key=f"{gateway.key}-{row.id}")
    assert (answer.status, answer.error["code"]) == (400, "channel_not_usable")
    assert "no adapter 'acme' is loaded" in answer.error["message"]
