"""Parrot: a wire of its own, as a tutorial. Wire: docs.parrot.example."""

from canalgate.adapters.chat import completion, message, messages_of, text_of
from canalgate.adapters.failures import Failure, coded
from canalgate.adapters.fields import CHAT_FIELDS, others
from canalgate.adapters.foreign import ForeignAdapter, JsonStream, at, is_document, text
from canalgate.plugins import ErrorKind, Usage, hookimpl

REASONS = {"done": "stop", "cut": "length"}
CODES = coded(
    (ErrorKind.CREDENTIAL, "", "bad_key"),
    (ErrorKind.RATE, "", "too_fast"),
    (ErrorKind.MODEL, "model_not_found", "no_such_bird"),
)
HANDLED = {"model", "messages", "stream", "stream_options"}


class Parrot(ForeignAdapter):
    name = "parrot"
    title = "Parrot"
    base_url = "https://api.parrot.example"
    endpoints = frozenset({"chat/completions"})
    codes = CODES

    def request(self, call):
        rest, dropped = others(call, HANDLED, CHAT_FIELDS)
        lines = [{"who": m.get("role"), "text": text_of(m.get("content"))} for m in messages_of(call)]
        body = {"bird": call.upstream_model, "lines": lines, "live": call.stream, **rest}
        return self.post(call, f"{self.root(call.channel)}/say", body, dropped)

    def reply(self, call, response):
        value = self.document(call, response)
        return completion(call, message(text(value.get("said"))), *ending(value))

    def failure(self, value):
        problem = value.get("problem")
        return Failure(text(at(problem, "text")), code=text(at(problem, "code"))) if problem else None

    def stream(self, call, response):
        return None if is_document(call, response) else ParrotStream(self, call, response)


class ParrotStream(JsonStream):
    def event(self, name, value):
        if "why" not in value:
            return self.out.text(text(value.get("piece")))
        self.ended = True
        reason, self.usage = ending(value)
        return self.out.finish(reason)


def ending(value):
    usage = Usage(at(value, "words", "in") or 0, at(value, "words", "out") or 0)
    return REASONS.get(value.get("why"), "stop"), usage


@hookimpl
def register_adapters(register):
    register(Parrot())
