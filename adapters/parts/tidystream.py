"""Put the oddities of an OpenAI-like stream right, and pass every line that has none as it came.

A line is parsed only if its bytes show an oddity or may be the end. A quote inside JSON text is escaped, so
`"delta":` can only be a key. The rules are in `tidy`. Shapes: OpenAI's API reference, "The chat completion
chunk object"; the deviations are named where they are handled.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from ...plugins import Call, ErrorKind, Json, StreamTranslator, UpstreamError
from ..sse import DONE, encode
from .tidy import ChoiceState, index_of, tidy_calls, tidy_finish, tidy_message
from .usage import last_usage, latest

_ODD = (
    rb'"(?:reasoning"\s*:\s*"|finish_reason"\s*:\s*"|delta"\s*:\s*null|choices"\s*:\s*null'
    rb'|content"\s*:\s*\[|tool_calls"\s*:\s*\[\s*\{|error"\s*:\s*[{"\[]|error_code"\s*:|base_resp"\s*:'
    rb'|code"\s*:\s*[1-9]'
)
_LOOK = re.compile(_ODD + b")")
_LOOK_AT_USAGE = re.compile(_ODD + rb'|usage"\s*:\s*\{)')
"""Every pattern begins with the same quote: that makes a search four times as fast."""

_ID = re.compile(rb'"id"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]+)"')
_BOM = b"\xef\xbb\xbf"

_MAX_LINE = 1024 * 1024
"""An unfinished line longer than this is passed on as it comes."""


class TidyStream(StreamTranslator):
    """Passes an OpenAI-like event stream on, tidied. Raises what the host reports as failed.

    What came before a failure belongs to the client however the bytes were cut: it is returned first, and
    the next call raises. `failure_in` returns what an event reports as failed, None for a proper one.
    `hides_usage` takes the event out that has usage and no choices, which a client that did not ask for it
    may not expect.
    """

    needs_body = False

    def __init__(
        self, call: Call, failure_in: Callable[[Json], UpstreamError | None], *, hides_usage: bool = False
    ) -> None:
        self._call = call
        self._failure_in = failure_in
        self._is_chat = call.endpoint == "chat/completions"
        self._hides_usage = hides_usage
        self._look = _LOOK_AT_USAGE if hides_usage else _LOOK
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._choices: dict[int, ChoiceState] = {}
        self._id = ""
        self._begun = 0
        self._open_event = b""
        self._glued = False
        self._has_deltas = not self._is_chat
        self._drops_blank = False
        self._names_error = False
        self._done = False
        self._failure: UpstreamError | None = None

    def feed(self, data: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and self._held_bytes + len(data) < _MAX_LINE:
            self._held.append(data)
            self._held_bytes += len(data)
            return b""
        end = end or len(data)
        lines = b"".join((*self._held, data[:end])) if self._held else data[:end]
        rest = data[end:]
        self._held = [rest] if rest else []
        self._held_bytes = len(rest)
        return self._tidied(lines)

    def close(self) -> bytes:
        last = b"".join(self._held)
        self._held.clear()
        rest = self._tidied(last) + b"\n\n" if last and self._failure is None else b""
        if self._failure is not None:
            raise self._failure
        if self._done:
            return rest
        if not any(choice.finish for choice in self._choices.values()) or (last and not _is_event(last)):
            raise UpstreamError(ErrorKind.FAULT, "the provider ended its stream early")
        return rest + (b"" if rest else b"\n") + DONE

    def _tidied(self, lines: bytes) -> bytes:
        if self._is_plain(lines):
            self._open_event = b""
            return lines
        made: list[bytes] = []
        for line in lines.splitlines(keepends=True):
            try:
                made.append(self._line(line))
            except UpstreamError as error:
                if not any(said.startswith(b"data:") for said in made):
                    raise
                self._failure = error
                break
        return b"".join(made)

    def _is_plain(self, lines: bytes) -> bool:
        """Whether there is nothing to do for these lines: the common case, which must cost little."""
        if self._begun < 2 or self._glued or self._drops_blank or self._names_error or not self._has_deltas:
            return False
        if _LOOK_AT_USAGE.search(lines) or b"event:" in lines or b"[DONE]" in lines:
            return False
        return self._has_all_deltas(lines)

    def _line(self, line: bytes) -> bytes:
        text = line.rstrip(b"\r\n").removeprefix(_BOM)
        if not text:
            self._open_event = b""
            return b"" if self._drops_blank else line
        self._drops_blank = False
        if text.startswith(b"event:"):
            self._names_error = text[6:].strip() == b"error"
            return b"" if self._names_error else line
        if text.startswith(b"data:"):
            data = text[5:].strip()
            return self._gap(data) + self._data(line, data)
        # Some hosts write an error as a bare line of JSON.
        return self._data(line, text) if text.startswith(b"{") else line

    def _gap(self, data: bytes) -> bytes:
        """Return the blank line that home-made servers forget between two events."""
        before, self._open_event = self._open_event, data
        self._begun += 1
        if before.endswith(b"}") and (data.startswith(b"{") or data == b"[DONE]"):
            self._glued = True
            return b"\n"
        return b""

    def _data(self, line: bytes, data: bytes) -> bytes:
        if self._names_error:
            raise self._failed(data)
        if data == b"[DONE]":
            self._done = True
            return self._missing_end() + line
        if self._begun == 1:
            found = _ID.search(line)
            self._id = found[1].decode() if found else ""
        self.usage = latest(self.usage, last_usage(line))
        odd = self._look.search(line)
        if odd is None and self._has_all_deltas(line):
            self._has_deltas = True
            return line
        if odd is not None and odd[0].startswith(b'"reasoning"') and self._is_sound_after(odd, line):
            return line[: odd.start()] + b'"reasoning_content"' + line[odd.start() + len(b'"reasoning"') :]
        return self._chunk(line, data)

    def _is_sound_after(self, odd: re.Match[bytes], line: bytes) -> bool:
        """Whether a name for thoughts is all that is odd in a line, so that it need not be parsed."""
        if b'"reasoning_content"' in line or not self._has_all_deltas(line):
            return False
        self._has_deltas = True
        return self._look.search(line, odd.end()) is None

    def _has_all_deltas(self, lines: bytes) -> bool:
        return not self._is_chat or lines.count(b'"delta"') >= lines.count(b"data:")

    def _chunk(self, line: bytes, data: bytes) -> bytes:
        """Parse a line that may be odd and return what the client gets for it."""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return line
        if not isinstance(chunk, dict):
            return line
        failure = self._failure_in(chunk)
        if failure is not None:
            raise failure
        changed = self._tidy(chunk)
        if self._hides_usage and not chunk.get("choices") and isinstance(chunk.get("usage"), dict):
            self._drops_blank = True
            return b""
        return b"data: " + orjson.dumps(chunk) + line[len(line.rstrip(b"\r\n")) :] if changed else line

    def _failed(self, data: bytes) -> UpstreamError:
        """Return the failure in an event that is named so, whatever its data is."""
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = data.decode("utf-8", "replace")
        failure = self._failure_in(value) if isinstance(value, dict) else None
        failure = failure or self._failure_in({"error": value})
        return failure or UpstreamError(ErrorKind.FAULT, "the provider reported an error")

    # One chunk.

    def _tidy(self, chunk: Json) -> bool:
        """Put a chunk right, return whether it changed. Raises UpstreamError for a finish that is none."""
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            if "choices" not in chunk or choices is not None:
                return False
            chunk["choices"] = []
            return True
        changes = [self._tidy_choice(choice) for choice in choices if isinstance(choice, dict)]
        return any(changes)

    def _tidy_choice(self, choice: Json) -> bool:
        state = self._choices.setdefault(index_of(choice), ChoiceState())
        changed = self._tidy_delta(choice)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._has_deltas = True
            changed |= tidy_message(delta)
            changed |= tidy_calls(delta, state, self._call)
        return tidy_finish(choice, state) or changed

    def _tidy_delta(self, choice: Json) -> bool:
        """Give a choice its `delta`: some hosts have null there, or `message`, or nothing (Azure).

        MiniMax repeats the whole text as `message` in the last chunk, so it counts only as the first word.
        """
        if isinstance(choice.get("delta"), dict) or not self._is_chat:
            return False
        message = choice.pop("message", None)
        choice["delta"] = message if isinstance(message, dict) and not self._has_deltas else {}
        return True

    def _missing_end(self) -> bytes:
        """Return the chunk that ends an answer whose host names no finish reason, as Spark."""
        if self._begun < 2 or any(choice.finish for choice in self._choices.values()):
            return b""
        state = self._choices.setdefault(0, ChoiceState())
        state.finish = "tool_calls" if state.calls else "stop"
        said: Json = {"delta": {}} if self._is_chat else {"text": ""}
        chunk = {
            "id": self._id or f"chatcmpl-{self._call.request_id}",
            "object": "chat.completion.chunk" if self._is_chat else "text_completion",
            "created": int(self._call.now),
            "model": self._call.model,
            "choices": [{"index": 0, **said, "finish_reason": state.finish}],
        }
        return encode(chunk)


def _is_event(line: bytes) -> bool:
    """Whether a line without an end is a whole event all the same, and not cut inside."""
    try:
        orjson.loads(line.removeprefix(b"data:"))
    except orjson.JSONDecodeError:
        return False
    return line.startswith(b"data:")


def as_events(call: Call, body: bytes, *, shows_usage: bool) -> bytes | None:
    """Return a whole answer as the stream the client asked for; None if it is no answer with choices.

    Some hosts and proxies answer JSON whatever `stream` says.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return None
    usage = answer.pop("usage", None)
    if call.endpoint == "chat/completions":
        answer["object"] = "chat.completion.chunk"
    for choice in choices:
        if isinstance(message := choice.pop("message", None), dict):
            choice["delta"] = message
            tidy_calls(message, ChoiceState(), call)
    events = encode(answer)
    if shows_usage and usage is not None:
        events += encode({**answer, "choices": [], "usage": usage})
    return events + DONE
