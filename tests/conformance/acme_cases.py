"""Recorded cases of the made-up provider Acme, written out as files of the format the kit reads."""

import orjson

TEXT = "Hello, 世界 🎉"
USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14, "cached_tokens": None,
         "reasoning_tokens": None}  # fmt: skip


def event(name, value):
    return f"event: {name}\n".encode() + b"data: " + orjson.dumps(value) + b"\n\n"


def says(*pieces):
    return b"".join(event("say", {"say": piece}) for piece in pieces)


def choice(text=TEXT, finish="stop", native="done", calls=()):
    return {"index": 0, "text": text, "reasoning": "", "tool_calls": list(calls), "finish_reason": finish,
            "native_finish_reason": native}  # fmt: skip


def good(*choices):
    return {"choices": list(choices), "usage": USAGE, "complete": True}


ARGS = {"city": "Zürich", "days": 3}
CALL = {"id": None, "name": "weather", "arguments": orjson.dumps(ARGS).decode()}
OTHER = {"id": None, "name": "time", "arguments": "{}"}
CALLS = [{"name": "weather", "args": ARGS}, {"name": "time", "args": {}}]
END = event("end", {"why": "done", "cost": [5, 9]})

CASES = {
    "text": ({"say": TEXT, "why": "done", "cost": [5, 9]}, good(choice())),
    "text-too-long": ({"say": TEXT, "why": "full", "cost": [5, 9]}, good(choice(TEXT, "length", "full"))),
    "two-calls": (
        {"say": "", "calls": CALLS, "why": "call", "cost": [5, 9]},
        good(choice("", "tool_calls", "call", (CALL, OTHER))),
    ),
    "stream": (says("Hello", ", 世界", " 🎉") + END, good(choice())),
    "stream-calls": (
        b"".join(event("call", call) for call in CALLS) + event("end", {"why": "call", "cost": [5, 9]}),
        good(choice("", "tool_calls", "call", (CALL, OTHER))),
    ),
    "stream-fault": (
        says("Hello") + event("fault", {"fault": "busy", "note": "later"}),
        {
            "choices": [choice("Hello", None, None)],
            "usage": None,
            "complete": False,
            "error_class": "upstream",
        },
    ),
    "fault-in-200": ({"fault": "money", "note": "pay"}, {"error_class": "quota"}),
    "error-401": ({"error": {"message": "no such key"}}, {"error_class": "auth"}),
}


def write(folder):
    """Write every case below a folder and return it."""
    for name, (body, expected) in CASES.items():
        stream = isinstance(body, bytes)
        file = "response.sse" if stream else "response.json"
        meta = {
            "provider": "acme", "case": name, "api": "acme.talk", "url": "https://acme.invalid/v2/talk/m",
            "status": 401 if name == "error-401" else 200, "stream": stream, "model": "m",
            "body_form": "sse" if stream else "json", "response_file": file,
            "response_headers": {"content-type": "text/event-stream" if stream else "application/json"},
        }  # fmt: skip
        path = folder / "acme" / name
        path.mkdir(parents=True)
        (path / "meta.json").write_bytes(orjson.dumps(meta))
        (path / "expected.json").write_bytes(orjson.dumps(expected))
        (path / file).write_bytes(body if stream else orjson.dumps(body))
    return folder
