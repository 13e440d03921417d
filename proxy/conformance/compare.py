"""Say in plain language where a replay differs from what is expected of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from ...plugins import UpstreamError, Usage
from .cases import ERROR_CODES, ERROR_KINDS, Case, Expected
from .outcome import Choice, Outcome, ToolCall, payloads, read_stream
from .replay import NOW, Replayed


def differences(case: Case, replayed: Replayed) -> list[str]:
    """Return what is wrong with a replay, one line each; empty if it is right."""
    expected = case.expected
    if expected is None:
        return list(_unexpected(case, replayed))
    if expected.choices is None and expected.error_class is not None:
        return list(_error(case, expected.error_class, replayed))
    return list(_answer(case, expected, replayed))


def error_differences(error_class: str, error: UpstreamError) -> Iterator[str]:
    """Yield how an error differs from what its class asks for."""
    kinds = ERROR_KINDS[error_class]
    if error.kind not in kinds:
        wanted = " or ".join(sorted(kind.name for kind in kinds))
        yield f"an error of class {error_class} must be {wanted}, it is {error.kind.name}: {error.message!r}"
    code = ERROR_CODES.get(error_class)
    if code is not None and error.code != code:
        yield f"an error of class {error_class} must have the code {code!r}, it has {error.code!r}"


def usage_differences(expected: Usage | None, usage: Usage | None, whose: str) -> Iterator[str]:
    """Yield how two usages differ. Tokens written to a cache are not compared: few providers tell them."""
    if usage is None or expected is None:
        if usage is not expected:
            yield f"{whose} is {_shown(usage)}, expected {_shown(expected)}"
        return
    for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"):
        got, wanted = getattr(usage, name), getattr(expected, name)
        # Foundry's Grok claims more cached tokens than its prompt had, OpenRouter more reasoning.
        if name == "cached_tokens":
            got, wanted = min(got, usage.prompt_tokens), min(wanted, expected.prompt_tokens)
        if name == "reasoning_tokens":
            got, wanted = min(got, usage.completion_tokens), min(wanted, expected.completion_tokens)
        if got != wanted:
            yield f"{whose}: {name} is {got}, expected {wanted}"


def _unexpected(case: Case, replayed: Replayed) -> Iterator[str]:
    """Check a case of which only success is known."""
    if replayed.error is not None:
        yield f"a good answer was taken for an error: {_named(replayed.error)}"
    elif case.is_model_list and not replayed.models:
        yield "no model name was read from the list of models"
    elif case.is_credential:
        credential = replayed.credential
        if credential is None or not credential.value:
            yield "no credential was read"
        elif credential.expires_at <= NOW:
            yield "the credential just fetched has expired already"


def _error(case: Case, error_class: str, replayed: Replayed) -> Iterator[str]:
    """Check a case that has no answer. A stream may show its error to the client after another event."""
    if replayed.error is not None:
        yield from error_differences(error_class, replayed.error)
    elif replayed.outcome is None or replayed.outcome.error is None:
        yield f"an error of class {error_class} went by unnoticed"
    elif case.form != "sse" or _first_is_error(case):
        yield f"an error of class {error_class} was passed on as an answer"


def _first_is_error(case: Case) -> bool:
    first = next(payloads(case.body), "")
    return read_stream(f"data: {first}".encode()).error is not None


def _answer(case: Case, expected: Expected, replayed: Replayed) -> Iterator[str]:
    outcome = replayed.outcome
    if outcome is None:
        if replayed.error is not None and expected.error_class is None:
            yield f"a good answer was taken for an error: {_named(replayed.error)}"
            return
    else:
        yield from outcome.oddities if replayed.translated and not case.is_openai_shaped else ()
        yield from _choices(case, expected, replayed, outcome)
        yield from _shown_usage(case, expected, replayed, outcome)
        yield from _ending(expected, outcome, replayed.error)
    yield from usage_differences(expected.usage, replayed.usage, "the usage to be accounted")


def _shown_usage(case: Case, expected: Expected, replayed: Replayed, outcome: Outcome) -> Iterator[str]:
    """Compare what the client sees. Hosts may put usage where only an adapter looks: Groq into `x_groq`."""
    if outcome.usage is None:
        is_due = replayed.usage_wanted and expected.complete and not case.is_openai_shaped
        if is_due and expected.usage is not None:
            yield "the client does not get the usage it asked for"
    elif outcome.usage not in (expected.usage, expected.shown_usage):
        yield from usage_differences(expected.usage, outcome.usage, "the usage shown to the client")


def _ending(expected: Expected, outcome: Outcome, error: UpstreamError | None) -> Iterator[str]:
    if expected.complete:
        if error is not None:
            yield f"a complete answer ended in an error: {_named(error)}"
        elif not outcome.complete:
            yield "the answer has no proper end"
        return
    if error is not None:
        if expected.error_class is not None:
            yield from error_differences(expected.error_class, error)
    elif outcome.complete:
        yield "a stream that broke off looks complete to the client"
    elif expected.error_class is not None and outcome.error is None:
        yield f"the error in the stream, of class {expected.error_class}, reached nobody"


def _choices(case: Case, expected: Expected, replayed: Replayed, outcome: Outcome) -> Iterator[str]:
    wanted = {choice.index: choice for choice in expected.choices or ()}
    got = {choice.index: choice for choice in outcome.choices}
    if replayed.error is not None and not replayed.by_events:
        yield from _beginnings(wanted, got)
        return
    for index in sorted(wanted.keys() | got.keys()):
        if index not in got:
            if wanted[index] != Choice(index):
                yield f"choice {index} is missing"
        elif index not in wanted:
            yield f"choice {index} is there but not expected"
        else:
            reasons = {wanted[index].finish_reason}
            if case.is_openai_shaped and index in expected.native_finish:
                reasons.add(expected.native_finish.get(index))
            yield from _choice(wanted[index], got[index], reasons)


def _beginnings(wanted: Mapping[int, Choice], got: Mapping[int, Choice]) -> Iterator[str]:
    """An error takes along what came in the same piece: what the client has is a beginning of the answer."""
    for index, choice in got.items():
        other = wanted.get(index, Choice(index))
        if not other.text.startswith(choice.text) or not other.reasoning.startswith(choice.reasoning):
            yield f"choice {index}: the answer does not begin with {_cut(choice.reasoning + choice.text)}"


def _choice(wanted: Choice, got: Choice, reasons: set[str | None]) -> Iterator[str]:
    where = f"choice {wanted.index}: "
    if got.text != wanted.text:
        yield f"{where}the text is {_cut(got.text)}, expected {_cut(wanted.text)}"
    if got.reasoning != wanted.reasoning:
        yield f"{where}the reasoning is {_cut(got.reasoning)}, expected {_cut(wanted.reasoning)}"
    if got.finish_reason not in reasons:
        yield f"{where}finish_reason is {got.finish_reason!r}, expected {wanted.finish_reason!r}"
    if len(got.tool_calls) != len(wanted.tool_calls):
        yield f"{where}{len(got.tool_calls)} tool calls, expected {len(wanted.tool_calls)}"
        return
    for number, (call, other) in enumerate(zip(got.tool_calls, wanted.tool_calls, strict=True)):
        yield from _tool_call(f"{where}tool call {number}: ", call, other)


def _tool_call(where: str, got: ToolCall, wanted: ToolCall) -> Iterator[str]:
    if wanted.id is not None and got.id != wanted.id:
        yield f"{where}the id is {got.id!r}, expected {wanted.id!r}"
    if got.name != wanted.name:
        yield f"{where}the name is {got.name!r}, expected {wanted.name!r}"
    if not _same_json(got.arguments, wanted.arguments):
        yield f"{where}the arguments are {_cut(got.arguments)}, expected {_cut(wanted.arguments)}"


def _same_json(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return bool(orjson.loads(one or "{}") == orjson.loads(other or "{}"))
    except orjson.JSONDecodeError:
        return False


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:60]}...{text[-15:]}")


def _shown(usage: Usage | None) -> str:
    if usage is None:
        return "none"
    return f"{usage.prompt_tokens}+{usage.completion_tokens} tokens"


def _named(error: UpstreamError) -> str:
    return f"{error.kind.name} {error.message!r}"
