"""Azure OpenAI behind the gateway: its addresses, its header, and the chunks of its content filter."""

import pytest
import support
from support import STREAM_END, STREAM_HEAD, chunk, json_answer

NOTE = b'data: {"id":"","choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{}}]}\n\n'
TEXT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"x":1.0}\n\n'
END = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b--\r\n'


async def azure(gateway, provider, path="", model="gpt-4o", **options):
    url = f"http://127.0.0.1:{provider.port}{path}"
    await gateway.add_channel(url, model, type="azure", key="the-key", name=model, options=options)


def lines(provider):
    return [asked.line.split()[1] for asked in provider.asked]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
        (
            "/openai/deployments/x/chat/completions?api-version=2025-01-01-preview",
            "/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview",
        ),
        ("/openai/v1/", "/openai/v1/chat/completions"),
        ("/models", "/models/chat/completions?api-version=2024-05-01-preview"),
    ],
)
async def test_a_pasted_address_leads_to_the_right_interface(gateway, provider, path, line):
    await azure(gateway, provider, path)
    provider.says(json_answer({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}))
    assert (await gateway.chat("gpt-4o")).status == 200
    assert lines(provider) == [line]
    assert provider.asked[0].header("api-key") == "the-key"
    assert provider.asked[0].header("authorization") is None


async def test_a_form_goes_to_its_deployment_unchanged(gateway, provider):
    await azure(gateway, provider, model="whisper")
    provider.says(json_answer({"text": "hello"}))
    typed = "Content-Type: multipart/form-data; boundary=b\r\n"
    answer = await gateway.post("/v1/audio/transcriptions", FORM, headers=typed)
    assert answer.json == {"text": "hello"}
    assert lines(provider) == ["/openai/deployments/whisper/audio/transcriptions?api-version=2024-10-21"]
    assert provider.asked[0].body == FORM


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
async def test_only_a_chunk_without_a_delta_is_changed_on_its_way(gateway, provider, how):
    await azure(gateway, provider)
    pieces = support.cuts(NOTE + TEXT + NOTE + END, how)
    provider.says(STREAM_HEAD, *map(chunk, pieces), STREAM_END)
    answer = await gateway.chat("gpt-4o", stream=True)
    note = NOTE.replace(b'_offsets":{}', b'_offsets":{},"delta":{}')
    assert answer.body == note + TEXT + note + END


async def test_a_wait_is_told_to_the_client(gateway, provider):
    await azure(gateway, provider)
    body = {"error": {"code": "429", "message": "Please retry after 9 seconds."}}
    provider.says(json_answer(body, 429))
    answer = await gateway.chat("gpt-4o")
    assert (answer.status, answer.headers["retry-after"]) == (429, "9")
    assert b"the-key" not in answer.raw


async def test_a_filtered_prompt_is_the_clients_fault(gateway, provider):
    await azure(gateway, provider)
    inner = {"code": "ResponsibleAIPolicyViolation"}
    provider.says(
        json_answer({"error": {"code": "content_filter", "message": "m", "innererror": inner}}, 400)
    )
    answer = await gateway.chat("gpt-4o")
    assert (answer.status, answer.error["code"]) == (400, "content_filter")
