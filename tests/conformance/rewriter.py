"""A correct adapter of OpenAI's wire that reads and writes every event, where others pass them through."""

import orjson
from canalgate.adapters.chat import wants_usage
from canalgate.adapters.failures import classify, failure_in
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.usage import read_usage
from canalgate.adapters.sse import DONE, SSEDecoder, encode
from canalgate.plugins import ErrorKind, StreamTranslator, UpstreamError


class Rewrite(StreamTranslator):
    """Events in, the same events out."""

    def __init__(self, call, adapter=None):
        self.call = call
        self.adapter = adapter
        self.sse = SSEDecoder()

    def feed(self, data):
        return b"".join(self.event(event) for event in self.sse.feed(data))

    def close(self):
        return b"".join(self.event(event) for event in self.sse.flush())

    def event(self, event):
        if event.data == b"[DONE]":
            return DONE
        try:
            chunk = orjson.loads(event.data)
        except orjson.JSONDecodeError as exc:
            raise UpstreamError(ErrorKind.FAULT, "an event is not JSON") from exc
        failure = failure_in(chunk) or failure_in({"error": chunk.get("error")})
        if failure is not None:
            raise classify(failure, 502, {}, self.call.now)
        self.usage = read_usage(chunk.get("usage")) or self.usage
        return self.chunk(chunk)

    def chunk(self, chunk):
        if not chunk.get("choices") and chunk.get("usage") and not wants_usage(self.call):
            return b""
        return encode(chunk)


class Rewriter(OpenAIAdapter):
    """Any host of OpenAI's wire, its streams rewritten."""

    name = "rewriter"
    title = "Rewriter"
    translator = Rewrite

    def stream(self, call, response):
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        return self.translator(call, self) if is_stream else None
