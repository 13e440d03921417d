"""A correct adapter of a made-up provider with a wire of its own, as a plugin file would hold it.

Acme is asked at BASE/talk/MODEL. It answers `{"say", "calls", "why", "cost"}`, or events named say, call, end
and fault; a failure under 200 is `{"fault", "note"}`.
"""

from urllib.parse import quote

import orjson
from canalgate import plugins
from canalgate.adapters.chat import ChunkWriter, completion, message, messages_of, tool_call
from canalgate.adapters.failures import classify_response
from canalgate.adapters.fields import others
from canalgate.adapters.openai import trim_base_url
from canalgate.adapters.sse import SSEDecoder
from canalgate.plugins import ErrorKind, UpstreamError

FINISH = {"done": "stop", "full": "length", "hush": "content_filter", "call": "tool_calls"}
FAULTS = {"key": ErrorKind.CREDENTIAL, "busy": ErrorKind.BUSY, "money": ErrorKind.BALANCE}


class AcmeStream(plugins.StreamTranslator):
    """Acme's events to OpenAI's chunks."""

    def __init__(self, call):
        self.sse = SSEDecoder()
        self.writer = ChunkWriter(call)
        self.calls = 0
        self.ended = False

    def feed(self, data):
        return b"".join(self.event(event.name, event.data) for event in self.sse.feed(data))

    def close(self):
        if not self.ended:
            raise UpstreamError(ErrorKind.FAULT, "acme's stream ended early")
        return self.writer.end(self.usage)

    def event(self, name, data):
        if name not in (b"say", b"call", b"end", b"fault"):
            return b""
        value = loaded(data)
        if name == b"say":
            return self.writer.text(value["say"])
        if name == b"call":
            self.calls += 1
            text = orjson.dumps(value["args"]).decode()
            return self.writer.tool_call(self.calls - 1, name=value["name"], arguments=text)
        self.ended = True
        self.usage = plugins.Usage(*value["cost"])
        return self.writer.finish("tool_calls" if self.calls else FINISH[value["why"]])


class Acme(plugins.Adapter):
    """Acme's chat."""

    name = "acme"
    title = "Acme"
    base_url = "https://acme.invalid/v2"
    endpoints = frozenset({"chat/completions"})

    def request(self, call):
        said = [{"who": item["role"], "say": item.get("content")} for item in messages_of(call)]
        rest, dropped = others(call, {"messages", "model", "stream", "stream_options"}, {"logit_bias"})
        url = f"{trim_base_url(call.channel.base_url)}/talk/{quote(call.upstream_model, safe='')}"
        headers = {"content-type": "application/json", "x-acme-key": call.credential.value}
        body = orjson.dumps({"said": said, "stream": call.stream, **rest})
        return plugins.UpstreamRequest(url, headers, body, dropped=dropped)

    def reply(self, call, response):
        value = loaded(response.body)
        calls = [tool_call(i, each["name"], each["args"]) for i, each in enumerate(value.get("calls", ()))]
        finish = "tool_calls" if calls else FINISH[value["why"]]
        said = message(value["say"], tool_calls=calls)
        return completion(call, said, finish, plugins.Usage(*value["cost"]))

    def stream(self, call, response):
        return AcmeStream(call) if response.headers["content-type"] == "text/event-stream" else None

    def error(self, call, response):
        return classify_response(response, call.now)


def loaded(data):
    """Parse what Acme says. Raises UpstreamError for a failure or nonsense."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise UpstreamError(ErrorKind.FAULT, "acme's answer is no JSON object")
    if "fault" in value:
        raise UpstreamError(FAULTS.get(value["fault"], ErrorKind.FAULT), value.get("note", ""))
    return value


@plugins.hookimpl
def register_adapters(register):
    register(Acme())
