"""Adapters with one fault each, and where and in what words the kit has to find it."""

from dataclasses import dataclass

import msgspec
import orjson
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.sse import Event, SSEDecoder
from canalgate.plugins import (
    Adapter,
    Credential,
    ErrorKind,
    Reply,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
)
from conformance.acme import Acme, AcmeStream
from conformance.rewriter import Rewrite, Rewriter


@dataclass(frozen=True)
class Broken:
    """An adapter, the section that has to fail and a piece of the message."""

    adapter: Adapter
    section: str
    words: str

    @property
    def name(self):
        return type(self.adapter).__name__


BROKEN: list[Broken] = []


def broken(section, words):
    """Note a class of a broken adapter, or of a translator that breaks Rewriter or Acme."""

    def note(kind):
        made = kind
        if issubclass(kind, Rewrite):
            made = type(kind.__name__, (Rewriter,), {"translator": kind})
        elif issubclass(kind, AcmeStream):
            made = type(kind.__name__, (Acme,), {"stream": lambda self, call, response: kind(call)})
        BROKEN.append(Broken(made(), section, words))
        return kind

    return note


def changed(request, **fields):
    return msgspec.structs.replace(request, **fields)


def with_body(request, change):
    value = orjson.loads(request.body)
    change(value)
    return changed(request, body=orjson.dumps(value))


# Requests.


@broken("requests", "the client's name of the model is sent")
class IgnoresTheMapping(OpenAIAdapter):
    def request(self, call):
        return super().request(msgspec.structs.replace(call, upstream_model=call.model))


@broken("requests", "the channel's name of the model is not sent")
class SendsNoModel(OpenAIAdapter):
    def request(self, call):
        return with_body(super().request(call), lambda body: body.pop("model"))


@broken("requests", "a field of the client's that nobody knows does not reach")
class DropsUnknownFields(OpenAIAdapter):
    def request(self, call):
        known = {"model", "messages", "input", "prompt", "stream", "stream_options", "tools", "stop", "top_p"}
        known |= {"temperature", "query", "documents", "voice"}
        request = super().request(call)
        if request.body is None:
            return request
        body = {name: value for name, value in orjson.loads(request.body).items() if name in known}
        return changed(request, body=orjson.dumps(body))


@broken("requests", "'stop' neither reaches the provider as it is nor is named as dropped")
class DropsInSilence(OpenAIAdapter):
    def request(self, call):
        request = super().request(call)
        return with_body(request, lambda body: body.pop("stop", None)) if request.body else request


@broken("requests", "call.body was changed")
class ChangesTheBody(OpenAIAdapter):
    def request(self, call):
        if call.body is not None:
            call.body.tree["model"] = call.upstream_model
        return super().request(call)


@broken("requests", "not signed")
class ForgetsToSign(OpenAIAdapter):
    def auth(self, call):
        return {}


@broken("requests", "the url is not absolute")
class HasARelativeUrl(OpenAIAdapter):
    def url(self, call):
        return f"/v1/{call.endpoint}"


@broken("requests", "but the request goes to 'https://elsewhere.invalid")
class HasAHostOfItsOwn(OpenAIAdapter):
    def url(self, call):
        return f"https://elsewhere.invalid/{call.endpoint}"


@broken("requests", "characters that must be escaped")
class PutsTheModelIntoTheUrl(OpenAIAdapter):
    def url(self, call):
        return f"{super().url(call)}/{call.upstream_model}"


@broken("requests", "'Authorization' is not in lower case")
class WritesHeadersInUpperCase(OpenAIAdapter):
    def auth(self, call):
        return {"Authorization": f"Bearer {call.credential.value}"}


@broken("requests", "'content-length' is the gateway's to write")
class WritesTheLength(OpenAIAdapter):
    def request(self, call):
        request = super().request(call)
        return changed(request, headers={**request.headers, "content-length": "0"})


@broken("requests", "the body must be None")
class SwallowsForms(OpenAIAdapter):
    def request(self, call):
        return changed(super().request(call), body=super().request(call).body or b"{}")


@broken("requests", "another request each time")
class HasAMood(OpenAIAdapter):
    moods = iter(range(10**9))

    def request(self, call):
        request = super().request(call)
        return changed(request, headers={**request.headers, "x-mood": str(next(self.moods))})


@broken("requests", "not asked for usage on a stream")
class NeverAsksForUsage(OpenAIAdapter):
    def request(self, call):
        request = super().request(call)
        return with_body(request, lambda body: body.pop("stream_options", None)) if request.body else request


@broken("requests", "raised KeyError: 'max_tokens'")
class WantsAField(OpenAIAdapter):
    def request(self, call):
        if call.endpoint == "chat/completions":
            call.body.tree["max_tokens"]
        return super().request(call)


# Answers in one piece, and what they cost.


@broken("usage", "the usage to be accounted is none, expected 31+17 tokens")
class LosesUsage(OpenAIAdapter):
    def reply(self, call, response):
        return changed(super().reply(call, response), usage=None)


@broken("usage", "cached_tokens is 0, expected 12")
class ForgetsTheCache(OpenAIAdapter):
    def reply(self, call, response):
        reply = super().reply(call, response)
        return changed(reply, usage=reply.usage and changed(reply.usage, cached_tokens=0))


@broken("usage", "completion_tokens is 12, expected 17")
class TrustsTheCompletionTokens(OpenAIAdapter):
    def reply(self, call, response):
        reply = super().reply(call, response)
        said = orjson.loads(response.body).get("usage")
        return changed(
            reply, usage=said and changed(reply.usage, completion_tokens=said.get("completion_tokens", 0))
        )


@broken("usage", "a client that did not ask for usage gets a chunk of it")
class ShowsUsageToAnyone(Rewrite):
    def chunk(self, chunk):
        return super().chunk({**chunk, "x": 1}) or b"data: " + orjson.dumps(chunk) + b"\n\n"


@broken("usage", "the client does not get the usage it asked for")
class KeepsUsageToItself(Rewrite):
    def chunk(self, chunk):
        return super().chunk({name: value for name, value in chunk.items() if name != "usage"})


@broken("whole answers", "the text is 'Hello, 世界!")
class CutsTheLastCharacter(OpenAIAdapter):
    def reply(self, call, response):
        reply = super().reply(call, response)
        body = orjson.loads(reply.body)
        for choice in body.get("choices", ()):
            if choice.get("message", {}).get("content"):
                choice["message"]["content"] = choice["message"]["content"][:-1]
        return changed(reply, body=orjson.dumps(body))


@broken("whole answers", "choice 1 is missing")
class KnowsOneChoice(OpenAIAdapter):
    def reply(self, call, response):
        reply = super().reply(call, response)
        body = orjson.loads(reply.body)
        body["choices"] = body.get("choices", [])[:1]
        return changed(reply, body=orjson.dumps(body))


@broken("whole answers", "raised TypeError")
class CountsTheContent(OpenAIAdapter):
    def reply(self, call, response):
        reply = super().reply(call, response)
        for choice in orjson.loads(response.body).get("choices", ()):
            len(choice.get("message", {"content": ""})["content"])
        return reply


@broken("whole answers", "a good answer was taken for an error")
class SeesErrorsInText(OpenAIAdapter):
    def reply(self, call, response):
        if b"error" in response.body:
            raise UpstreamError(ErrorKind.FAULT, "error")
        return super().reply(call, response)


# Errors.


@broken("error classes", "an error of class quota must be BALANCE, it is FAULT")
class KnowsOneKind(OpenAIAdapter):
    def error(self, call, response):
        return UpstreamError(ErrorKind.FAULT, "it failed", status=response.status)


@broken("error classes", "an error of class quota must be BALANCE, it is RATE")
class GoesByTheStatus(OpenAIAdapter):
    def error(self, call, response):
        return super().error(call, UpstreamResponse(response.status, response.headers))


@broken("error classes", "must have the code 'context_length_exceeded'")
class ForgetsTheCode(OpenAIAdapter):
    def error(self, call, response):
        error = super().error(call, response)
        error.code = ""
        return error


@broken("error classes", "Retry-After of 17 s came out as None")
class ForgetsRetryAfter(OpenAIAdapter):
    def error(self, call, response):
        error = super().error(call, response)
        error.retry_after = None
        return error


@broken("error classes", "raised JSONDecodeError")
class BelievesInJson(OpenAIAdapter):
    def error(self, call, response):
        orjson.loads(response.body)
        return super().error(call, response)


@broken("error classes", "error() returned NoneType")
class ReturnsNoError(OpenAIAdapter):
    def error(self, call, response):
        return None


@broken("errors inside a 200", "an error of class auth went by unnoticed")
class BelievesInStatuses(OpenAIAdapter):
    def reply(self, call, response):
        return Reply(b'{"choices":[]}') if b"choices" not in response.body else super().reply(call, response)


@broken("errors inside a 200", "a 200 that nobody can read was passed on")
class PassesAnythingOn(OpenAIAdapter):
    def reply(self, call, response):
        try:
            return super().reply(call, response)
        except UpstreamError as error:
            if error.kind in (ErrorKind.FAULT, ErrorKind.MODEL) and not error.code:
                return Reply(response.body)
            raise


@broken("errors inside a 200", "was passed on as an answer")
class LooksAtNoFirstEvent(OpenAIAdapter):
    def check_first_event(self, call, data):
        pass


@broken("errors in mid-stream", "the error in the stream, of class upstream, reached nobody")
class SwallowsErrors(Rewrite):
    def event(self, event):
        if event.data == b"[DONE]":
            return super().event(event)
        chunk = orjson.loads(event.data)
        chunk.pop("error", None)
        for choice in chunk.get("choices", ()):
            choice["finish_reason"] = None if choice["finish_reason"] == "error" else choice["finish_reason"]
        return super().event(Event(orjson.dumps(chunk))) if chunk else b""


# Streams.


@broken("streams byte by byte", "raised UnicodeDecodeError")
class DecodesEachPiece(Rewrite):
    def feed(self, data):
        return super().feed(data.decode().encode())


@broken("UTF-8 cut in the middle", "expected 'Hello, 世界!")
class ReplacesHalfCharacters(Rewrite):
    def feed(self, data):
        return super().feed(data.decode("utf-8", "ignore").encode())


@broken("streams byte by byte", "choice 0 is missing")
class TakesPiecesForEvents(Rewrite):
    def feed(self, data):
        whole = SSEDecoder()
        return b"".join(self.event(event) for event in whole.feed(data))


@broken("framing", "text: CRLF")
class KnowsOneLineEnd(Rewrite):
    rest = b""

    def feed(self, data):
        *events, self.rest = (self.rest + data).split(b"\n\n")
        return b"".join(super(KnowsOneLineEnd, self).feed(event + b"\n\n") for event in events)


@broken("framing", "text: comments")
class ChokesOnComments(Rewrite):
    def feed(self, data):
        if b"\n:" in b"\n" + data:
            raise UpstreamError(ErrorKind.FAULT, "a line that is no event")
        return super().feed(data)


@broken("framing", "text: missing [DONE]")
class InsistsOnDone(Rewrite):
    done = False

    def event(self, event):
        self.done = self.done or event.data == b"[DONE]"
        return super().event(event)

    def close(self):
        if not self.done:
            raise UpstreamError(ErrorKind.FAULT, "no [DONE]")
        return super().close()


@broken("framing", "text: no space after the colon")
class InsistsOnTheSpace(Rewrite):
    def feed(self, data):
        return super().feed(data.replace(b"data:{", b"other:{"))


@broken("framing", "a byte order mark")
class TripsOverTheMark(Rewrite):
    def __init__(self, call, adapter=None):
        super().__init__(call, adapter)
        self.sse.feed(b"\n")


@broken("unknown fields and events", "raised KeyError: 'choices'")
class KnowsAllEvents(Rewrite):
    def chunk(self, chunk):
        chunk["choices"]
        return super().chunk(chunk)


@broken("unknown fields and events", "raised ValueError: unknown field")
class KnowsAllFields(Rewrite):
    def chunk(self, chunk):
        if not chunk.keys() <= {
            "id",
            "object",
            "created",
            "model",
            "choices",
            "usage",
            "prompt_filter_results",
        }:
            raise ValueError("unknown field")
        return super().chunk(chunk)


@broken("long lines", "expected")
class LimitsLines(Rewrite):
    def event(self, event):
        return super().event(event) if len(event.data) < 65536 else b""


@broken("tool calls", "1 tool calls, expected 2")
class MergesToolCalls(Rewrite):
    def chunk(self, chunk):
        for choice in chunk.get("choices", ()):
            for call in (choice["delta"] or {}).get("tool_calls", ()):
                call["index"] = 0
                call.pop("id", None)
        return super().chunk(chunk)


@broken("tool calls", "the arguments are ''")
class LosesArguments(Rewrite):
    def chunk(self, chunk):
        for choice in chunk.get("choices", ()):
            for call in (choice["delta"] or {}).get("tool_calls", ()):
                if "id" not in call:
                    call["function"]["arguments"] = ""
        return super().chunk(chunk)


@broken("tool calls", "the arguments are")
class TurnsPiecesAround(Rewrite):
    held = b""

    def chunk(self, chunk):
        made = super().chunk(chunk)
        if b'"arguments"' in made and b'"id":"call' not in made and not self.held:
            self.held = made
            return b""
        held, self.held = self.held, b""
        return made + held


@broken("tool calls", "finish_reason is 'stop', expected 'tool_calls'")
class AlwaysStops(Rewrite):
    def chunk(self, chunk):
        for choice in chunk.get("choices", ()):
            if choice["finish_reason"] == "tool_calls":
                choice["finish_reason"] = "stop"
        return super().chunk(chunk)


@broken("finish reasons", "finish_reason is None, expected 'length'")
class NeverFinishes(Rewrite):
    def chunk(self, chunk):
        for choice in chunk.get("choices", ()):
            choice["finish_reason"] = None
        return super().chunk(chunk)


@broken("streams event by event", "the reasoning is ''")
class SaysWhatItThinks(Rewrite):
    def chunk(self, chunk):
        for choice in chunk.get("choices", ()):
            delta = choice["delta"] or {}
            if "reasoning_content" in delta:
                delta["content"] = delta.pop("reasoning_content")
        return super().chunk(chunk)


@broken("streams event by event", "choice 0: the text is")
class ForgetsTheIndex(Rewrite):
    def chunk(self, chunk):
        for choice in chunk.get("choices", ()):
            choice["index"] = 0
        return super().chunk(chunk)


@broken("cuts", "a stream that was cut looks complete")
class SeesNoCut(OpenAIAdapter):
    def is_complete(self, call, tail):
        return True


@broken("isolation", "streams at the same time disturb each other")
class SharesADecoder(Rewriter):
    def stream(self, call, response):
        made = super().stream(call, response)
        if made is not None:
            made.sse = SHARED
        return made


SHARED = SSEDecoder()


@broken("contract", "it keeps state between calls: its last")
class RemembersTheLastCall(OpenAIAdapter):
    last = None

    def request(self, call):
        self.last = call.upstream_model
        return super().request(call)


@broken("long streams", "longer the longer the stream is")
class ReadsEverythingAgain(Rewrite):
    seen = b""

    def feed(self, data):
        self.seen += data
        self.seen.replace(b"\r\n", b"\n").split(b"\n")
        return super().feed(data)


@broken("long streams", "memory grows with the stream")
class KeepsEverything(Rewrite):
    def __init__(self, call, adapter=None):
        super().__init__(call, adapter)
        self.kept = []

    def chunk(self, chunk):
        self.kept.append(chunk)
        return super().chunk(chunk)


@broken("long streams", "us, more than 1000")
class GetsSlow(Rewrite):
    chunks = 0

    def chunk(self, chunk):
        self.chunks += 1
        max(MANY if self.chunks > 100 else MANY[:1])
        return super().chunk(chunk)


MANY = list(range(120_000))


@broken("long streams", "held back while the stream goes on")
class HoldsEverythingBack(Rewrite):
    held = b""

    def feed(self, data):
        self.held += super().feed(data)
        return b""

    def close(self):
        return self.held + super().close()


# A wire of its own.


@broken("shape of what is written", "by which the client asked")
class SaysTheProvidersModel(AcmeStream):
    def __init__(self, call):
        super().__init__(msgspec.structs.replace(call, model=call.upstream_model))


@broken("shape of what is written", "has not the role assistant")
class HasNoRole(AcmeStream):
    def feed(self, data):
        return super().feed(data).replace(b'"role":"assistant",', b"")


@broken("shape of what is written", "does not end with data: [DONE]")
class ForgetsDone(AcmeStream):
    def close(self):
        return super().close().replace(b"data: [DONE]\n\n", b"")


@broken("shape of what is written", "the id changes from chunk to chunk")
class HasAnIdForEachChunk(AcmeStream):
    number = 0

    def feed(self, data):
        self.number += 1
        return super().feed(data).replace(b"chatcmpl-", b"chatcmpl-%d-" % self.number)


@broken("shape of what is written", "a tool call has no id")
class CallsWithoutAnId(AcmeStream):
    def feed(self, data):
        return super().feed(data).replace(b'"id":"call_', b'"x":"call_')


@broken("shape of what is written", "goes on after its finish_reason")
class GoesOn(AcmeStream):
    def close(self):
        return self.writer.text(" ") + super().close()


@broken("finish reasons", "finish_reason is 'done', expected 'stop'")
class UsesNativeWords(AcmeStream):
    def feed(self, data):
        return super().feed(data).replace(b'"finish_reason":"stop"', b'"finish_reason":"done"')


@broken("cuts", "a stream that was cut looks complete")
class EndsInAnyCase(AcmeStream):
    def close(self):
        return b"" if self.ended else self.writer.finish("stop") + self.writer.end(None)


@broken("errors in mid-stream", "the translator did not raise the error")
class TellsOfErrorsInText(AcmeStream):
    def event(self, name, data):
        try:
            return super().event(name, data)
        except UpstreamError as error:
            self.ended = True
            return b"data: " + orjson.dumps({"error": {"message": error.message}}) + b"\n\n"


@broken("credentials", "a credential was made of an answer that has none")
class TakesAnyCredential(Acme):
    def credential_request(self, channel, now):
        return UpstreamRequest(f"{channel.base_url}/token", {})

    def credential(self, channel, response, now):
        return Credential("" if response is None else response.body.decode("latin-1"), now + 60)


@broken("usage", "prompt_tokens is 9, expected 5")
class TurnsUsageAround(Acme):
    def reply(self, call, response):
        reply = super().reply(call, response)
        return changed(reply, usage=Usage(reply.usage.completion_tokens, reply.usage.prompt_tokens))
