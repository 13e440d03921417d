"""What a provider can do wrong, and what a client may see of it: one table, `FAULTS`.

Each row is played to a request that is streamed and to one that is not. What a client of this one channel
sees stands in the row. From that follows what it sees if a healthy channel comes after it: see
`Fault.is_hidden`. What hosts say when they refuse is in fault_answers.py.
"""

from __future__ import annotations

import gzip

import support
from fault_answers import ANSWERS, WAITS
from faulty import (
    BEGUN,
    BROKEN,
    CHUNKED,
    ENDED,
    EVENTS,
    GOOD,
    JSON_HEAD,
    LENGTH,
    NEVER_ACCEPT,
    OK,
    OLD_JSON,
    OLD_SSE,
    POISON,
    REFUSE,
    SSE_HEAD,
    STALL,
    STREAM,
    STREAM_BEGUN,
    TOLD,
    WHOLE,
    Fault,
    chunks,
    dripped,
    endless,
    events,
    fault,
    head,
    kept,
    lengths,
    sized,
)
from support import CUT, HALF_CLOSE, RESET, STREAM_END, STREAM_HEAD, TURN, chunk, delta, event, json_answer

CONNECTION = {
    "refuses": fault(REFUSE, seen=502),
    "never accepts": fault(NEVER_ACCEPT, seen=504, stalls=True),
    "closes at once": fault(CUT, seen=502),
    "resets before the head": fault(RESET, seen=502),
    "resets in the head": fault(b"HTTP/1.1 200 OK\r\ncontent-ty", 0.01, RESET, seen=502),
    "closes in the head": fault(b"HTTP/1.1 200 OK\r\ncontent-ty", CUT, seen=502),
    "closes behind the head": fault(JSON_HEAD + LENGTH % 99, CUT, streamed=(STREAM_HEAD, CUT), seen=502),
    "resets behind the head": fault(
        JSON_HEAD + LENGTH % 99, 0.01, RESET, streamed=(STREAM_HEAD, 0.01, RESET), seen=502
    ),
    "closes in the body": fault(
        JSON_HEAD + LENGTH % 500 + GOOD[:40], CUT, streamed=(*STREAM_BEGUN, CUT), seen=(502, BROKEN)
    ),
    "resets in the body": fault(
        JSON_HEAD + LENGTH % 500 + GOOD[:40], RESET, streamed=(*STREAM_BEGUN, RESET), seen=(502, BROKEN)
    ),
    "closes in an event": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD[:40]),
        CUT,
        streamed=(*STREAM_BEGUN, chunk(b'data: {"id'), CUT),
        seen=(502, BROKEN),
    ),
    "closes in the first event": fault(STREAM_HEAD + chunk(b'data: {"id'), CUT, seen=502),
    "closes without a last chunk": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD), CUT, streamed=(STREAM_HEAD + chunk(BEGUN), CUT), seen=(502, BROKEN)
    ),
    "closes behind [DONE]": fault(OK, streamed=(STREAM_HEAD + chunk(EVENTS), CUT), seen=WHOLE),
    "resets behind [DONE]": fault(OK, streamed=(STREAM_HEAD + chunk(EVENTS), 0.01, RESET), seen=WHOLE),
    "half-closes at once": fault(HALF_CLOSE, STALL, seen=502, stalls=False),
    "half-closes in the head": fault(b"HTTP/1.1 200 OK\r\nconte", HALF_CLOSE, STALL, seen=502, stalls=False),
    "half-closes in the body": fault(
        JSON_HEAD + LENGTH % 500 + GOOD[:40],
        HALF_CLOSE,
        STALL,
        streamed=(*STREAM_BEGUN, HALF_CLOSE, STALL),
        seen=(502, BROKEN),
        stalls=False,
    ),
    "half-closes behind its answer": fault(OK, HALF_CLOSE, streamed=(STREAM, HALF_CLOSE), seen=WHOLE),
}

STALLS = {
    "says nothing": fault(STALL, seen=504),
    "falls silent in the head": fault(b"HTTP/1.1 200 OK\r\n", STALL, seen=504),
    "falls silent behind the head": fault(
        JSON_HEAD + LENGTH % 50, STALL, streamed=(STREAM_HEAD, STALL), seen=504
    ),
    "falls silent in its first bytes": fault(
        JSON_HEAD + LENGTH % 50 + b"{", STALL, streamed=(STREAM_HEAD + chunk(b"data: {"), STALL), seen=504
    ),
    "falls silent between tokens": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD[:40]), STALL, streamed=(*STREAM_BEGUN, STALL), seen=(504, BROKEN)
    ),
    "falls silent in a chunk": fault(
        JSON_HEAD + CHUNKED + b"ff\r\n{",
        STALL,
        streamed=(*STREAM_BEGUN, b"ff\r\ndata: ", STALL),
        seen=(504, BROKEN),
    ),
    "falls silent behind [DONE]": fault(
        OK, streamed=(STREAM_HEAD + chunk(EVENTS), STALL), seen=WHOLE, stalls=False
    ),
    "falls silent behind 100": fault(b"HTTP/1.1 100 Continue\r\n\r\n", STALL, seen=504),
    "falls silent in an error": fault(b"HTTP/1.1 500 X\r\n" + LENGTH % 9 + b"{", STALL, seen=504),
}

PIECES = {
    "drips bytes": fault(
        *dripped(OK), streamed=dripped(STREAM_HEAD + chunk(BEGUN) + chunk(ENDED) + STREAM_END), seen=WHOLE
    ),
    "drips chunks": fault(
        JSON_HEAD + CHUNKED,
        *map(chunk, support.cuts(GOOD, "bytes")),
        STREAM_END,
        seen=WHOLE,
        streamed=(STREAM_HEAD, *map(chunk, support.cuts(EVENTS, "bytes")), STREAM_END),
    ),
    "pauses in every byte of the size line": fault(
        OK,
        streamed=(STREAM_HEAD, *dripped(chunk(BEGUN)[:6]), chunk(BEGUN)[6:], chunk(ENDED), STREAM_END),
        seen=WHOLE,
    ),
    "a line of a mebibyte": fault(
        sized(b'{"x":"' + b"y" * 2**20 + b'"}'),
        streamed=(STREAM_HEAD, chunk(delta("z" * 2**20)), chunk(ENDED), STREAM_END),
        seen=WHOLE,
        gives=(b'{"x":"' + b"y" * 2**20 + b'"}', delta("z" * 2**20) + ENDED),
    ),
    "a later line of a mebibyte": events(BEGUN + delta("z" * 2**20) + ENDED),
    "a line of a mebibyte that breaks off": fault(
        JSON_HEAD + CHUNKED + chunk(b'{"x":"' + b"y" * 2**20),
        CUT,
        streamed=(STREAM_HEAD, chunk(delta("z" * 2**20)[: 2**20]), CUT),
        seen=(502, BROKEN),
    ),
}

NOT_HTTP = {
    "garbage": fault(b"\x00\x01\x02 nonsense\r\n\r\n", seen=502),
    "another protocol": fault(b"SSH-2.0-OpenSSH_9.6\r\n", seen=502),
    "TLS": fault(b"\x15\x03\x01\x00\x02\x02\x46", CUT, seen=502),
    "HTTP/0.9": fault(GOOD, CUT, seen=502),
    "HTTP/2": fault(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", CUT, seen=502),
    "garbage in mid-answer": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD[:40]) + b"\x00\xff nonsense",
        STALL,
        seen=(502, BROKEN),
        streamed=(*STREAM_BEGUN, b"\x00\xff nonsense", STALL),
        stalls=False,
    ),
    "a status of no digits": fault(b"HTTP/1.1 OK\r\n" + LENGTH % 2 + b"{}", seen=502),
    "a status of 999": fault(b"HTTP/1.1 999 X\r\n" + LENGTH % 2 + b"{}", seen=502),
    "a status of 0": fault(b"HTTP/1.1 000 X\r\n" + LENGTH % 2 + b"{}", CUT, seen=502),
}

HEADS = {
    "a head without an end": fault(b"HTTP/1.1 200 OK\r\n", *endless(b"x-a: b\r\n"), seen=502),
    "one endless field": fault(b"HTTP/1.1 200 OK\r\nx-a: ", *endless(b"b"), seen=502),
    "an endless reason": fault(b"HTTP/1.1 200 ", *endless(b"b"), seen=502),
    "a field without a colon": head(b"nonsense", seen=502),
    "a control character in the type": fault(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\x01\r\n" + LENGTH % len(GOOD) + GOOD, seen=502
    ),
    "a null byte in a field": head(b"x-a: \x00", seen=502),
    "fields of any bytes": head(b"x-a: \xff\xfe", b"x-b:", seen=WHOLE),
    "101": fault(b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", seen=502),
    "only 100": fault(b"HTTP/1.1 100 Continue\r\n\r\n", CUT, seen=502),
    "100 before the answer": fault(
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK, streamed=(b"HTTP/1.1 100 X\r\n\r\n", 0.01, STREAM), seen=WHOLE
    ),
    "103 with fields before the answer": fault(
        b"HTTP/1.1 103 X\r\nlink: </a>\r\ncontent-length: 5\r\n\r\n" + OK,
        streamed=(b"HTTP/1.1 103 X\r\nlink: </a>\r\ncontent-length: 5\r\n\r\n", 0.01, STREAM),
        seen=WHOLE,
    ),
    "a flood of 100": fault(*endless(b"HTTP/1.1 100 Continue\r\n\r\n"), seen=502),
    "many 100, then the answer": fault(
        b"HTTP/1.1 100 X\r\n\r\n" * 1000 + OK, streamed=(b"HTTP/1.1 100 X\r\n\r\n" * 1000, STREAM), seen=WHOLE
    ),
    "204": fault(b"HTTP/1.1 204 X\r\n\r\n", seen=502),
    "205": fault(b"HTTP/1.1 205 X\r\ncontent-length: 0\r\n\r\n", seen=502),
    "206 of half a body": fault(
        b"HTTP/1.1 206 X\r\ncontent-type: application/json\r\n" + LENGTH % 40 + GOOD[:40], seen=502
    ),
    "304": fault(b"HTTP/1.1 304 X\r\n\r\n", seen=502),
    **{
        f"{status} to another place": fault(
            b"HTTP/1.1 %d X\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n" % status, seen=502
        )
        for status in (301, 302, 303, 307, 308)
    },
}

LENGTHS = {
    "a length that is too long": fault(
        JSON_HEAD + LENGTH % 500 + GOOD,
        CUT,
        streamed=(SSE_HEAD + LENGTH % 900 + BEGUN, CUT),
        seen=(502, BROKEN),
    ),
    "a length that is too short": fault(
        JSON_HEAD + LENGTH % 40 + GOOD,
        streamed=(SSE_HEAD + LENGTH % (len(BEGUN) + 30) + EVENTS,),
        seen=(502, BROKEN),
    ),
    "two lengths": fault(JSON_HEAD + b"content-length: 2\r\n" + LENGTH % len(GOOD) + GOOD, CUT, seen=502),
    "the same length twice": fault(
        JSON_HEAD + LENGTH[:-2] % len(GOOD) + LENGTH % len(GOOD) + GOOD, CUT, seen=502
    ),
    "a length and chunks": fault(
        JSON_HEAD + b"content-length: 2\r\n" + CHUNKED + chunk(GOOD) + STREAM_END, seen=502
    ),
    "a negative length": lengths(b"-1", 502, 502),
    "a signed length": lengths(b"+84", 502, 502),
    "a length that is no number": lengths(b"two", 502, 502),
    "a list of lengths": lengths(b"84, 84", 502, 502),
    "a length in hexadecimal": lengths(b"0x54", 502, 502),
    "a length of 65 bits": lengths(b"18446744073709551616", 502, 502),
    "a length of 99 digits": lengths(b"9" * 99, 502, 502),
    "a length of an exabyte": lengths(b"1152921504606846976", 502, WHOLE),
    "a body without its length": fault(
        JSON_HEAD + b"\r\n" + GOOD, CUT, streamed=(SSE_HEAD + b"\r\n" + EVENTS, CUT), seen=WHOLE
    ),
    "an empty 200": fault(JSON_HEAD + LENGTH % 0, streamed=(SSE_HEAD + LENGTH % 0,), seen=502),
    "an answer that is too long": fault(JSON_HEAD + LENGTH % (3 * 2**20), *[b" " * 2**20] * 3, seen=502),
    "an unknown transfer coding": fault(
        JSON_HEAD + b"transfer-encoding: rot13\r\n\r\n" + GOOD, CUT, seen=502
    ),
}

CHUNKS = {
    "a size that is no number": chunks(b"ZZ\r\nabc\r\n", 502, BROKEN),
    "a negative size": chunks(b"-5\r\nabcde\r\n", 502, BROKEN),
    "a size that is too small": chunks(b"3\r\nabcdef\r\n", 502, BROKEN),
    "a size that is too large": chunks(b"ff\r\nabc\r\n", 502, BROKEN),
    "a size of 16 digits": chunks(b"7fffffffffffffff\r\nabc\r\n", 502, BROKEN),
    "a size of 17 digits": chunks(b"fffffffffffffffff\r\nabc\r\n", 502, BROKEN),
    "no line break behind a chunk": chunks(b"5\r\nabcdeXX", 502, BROKEN),
    "a bare line feed": chunks(b"5\nabcde\n", 502, BROKEN),
    "an endless size line": fault(
        JSON_HEAD + CHUNKED + b"5;",
        *endless(b"a"),
        seen=(502, BROKEN),
        streamed=(*STREAM_BEGUN, b"5;", *endless(b"a")),
    ),
    "half an end": chunks(b"0\r\n", 502, BROKEN, ends=b""),
    "extensions": fault(
        JSON_HEAD + CHUNKED + b'%x;a;b=c;d="e"\r\n' % len(GOOD) + GOOD + b"\r\n0;f\r\n\r\n",
        streamed=(
            STREAM_HEAD + b'%x;a="b"\r\n' % len(BEGUN) + BEGUN + b"\r\n",
            TURN,
            b"%x;c\r\n" % len(ENDED) + ENDED + b"\r\n0;d\r\n\r\n",
        ),
        seen=WHOLE,
    ),
    "trailers": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD) + b"0\r\nx-sum: 1\r\netag: 9\r\n\r\n",
        streamed=(STREAM_HEAD + chunk(EVENTS) + b"0\r\nx-sum: 1\r\ncontent-type: a/b\r\n\r\n",),
        seen=WHOLE,
    ),
    "a length in the trailers": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD) + b"0\r\ncontent-length: 9\r\n\r\n",
        seen=(502, BROKEN),
        streamed=(*STREAM_BEGUN, b"0\r\ncontent-length: 9\r\n\r\n"),
    ),
    "trailers without an end": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD) + b"0\r\n",
        *endless(b"x-a: b\r\n"),
        seen=(502, BROKEN),
        streamed=(*STREAM_BEGUN, b"0\r\n", *endless(b"x-a: b\r\n")),
    ),
    "one endless trailer": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD) + b"0\r\nx-a: ",
        *endless(b"b"),
        seen=(502, BROKEN),
        streamed=(*STREAM_BEGUN, b"0\r\nx-a: ", *endless(b"b")),
    ),
    "trailers that are none": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD) + b"0\r\nnonsense\r\n\r\n",
        CUT,
        seen=(502, BROKEN),
        streamed=(*STREAM_BEGUN, b"0\r\nnonsense\r\n\r\n", CUT),
    ),
}

CODINGS = {
    "a body in gzip": fault(
        sized(gzip.compress(GOOD), fields=b"content-encoding: gzip\r\n"),
        streamed=(sized(gzip.compress(EVENTS), b"text/event-stream", b"content-encoding: gzip\r\n"),),
        seen=WHOLE,
    ),
    "a body that is not gzip": fault(
        sized(GOOD, fields=b"content-encoding: gzip\r\n"),
        streamed=(sized(EVENTS, b"text/event-stream", b"content-encoding: gzip\r\n"),),
        seen=502,
    ),
    "half a gzip body": fault(
        sized(gzip.compress(GOOD)[:-9], fields=b"content-encoding: gzip\r\n"),
        streamed=(sized(gzip.compress(BEGUN)[:9], b"text/event-stream", b"content-encoding: gzip\r\n"),),
        seen=502,
    ),
    "a gzip bomb": fault(
        sized(gzip.compress(b"[" * 50_000_000, 1), fields=b"content-encoding: gzip\r\n"), seen=502
    ),
    "an error in gzip": fault(
        json_answer(
            gzip.compress(b'{"error":{"message":"too many words","type":"invalid_request_error"}}'),
            400,
            "content-encoding: x-gzip\r\n",
        ),
        seen=400,
    ),
    "an error that is not gzip": fault(json_answer(GOOD, 500, "content-encoding: gzip\r\n"), seen=502),
    "a gzip bomb as an error": fault(
        json_answer(gzip.compress(b"[" * 50_000_000, 1), 503, "content-encoding: gzip\r\n"), seen=503
    ),
    "an error in a coding nobody knows": fault(
        json_answer(b"\x1b\x03", 500, "content-encoding: br\r\n"), seen=502
    ),
}

EVENT_STREAMS = {
    "no [DONE]": events(BEGUN + delta("b", "stop")),
    "no [DONE] and no end": fault(
        OK, streamed=(STREAM_HEAD + chunk(BEGUN + delta("b", "stop")), CUT), seen=(WHOLE, BROKEN)
    ),
    "no finish reason and no [DONE]": fault(
        JSON_HEAD + b"\r\n" + GOOD[:40],
        CUT,
        streamed=(SSE_HEAD + b"\r\n" + BEGUN, CUT),
        seen=(502, BROKEN),
    ),
    "half an event and a proper end": fault(
        JSON_HEAD + CHUNKED + chunk(GOOD[:40]) + STREAM_END,
        streamed=(*STREAM_BEGUN, chunk(delta("b")[:40]), STREAM_END),
        seen=(502, BROKEN),
    ),
    "lines end with CRLF": events(EVENTS.replace(b"\n", b"\r\n")),
    "lines end with CR": events(EVENTS.replace(b"\n", b"\r")),
    "lines end with all of them": events(
        BEGUN.replace(b"\n", b"\r") + delta("c").replace(b"\n", b"\r\n") + ENDED
    ),
    "a byte order mark": events(b"\xef\xbb\xbf" + EVENTS, cuts="bytes"),
    "a character cut in two": events(delta("é€😀") + ENDED, cuts="bytes"),
    "a character that breaks off": fault(
        JSON_HEAD + CHUNKED + chunk(b'{"x":"\xc3'),
        CUT,
        streamed=(*STREAM_BEGUN, chunk(b'data: {"x":"\xf0\x9f'), CUT),
        seen=(502, BROKEN),
    ),
    "comments": events(b": PROCESSING\n\n" * 3 + EVENTS),
    "no blank line at the end": events(EVENTS.rstrip(b"\n")),
    "an empty stream": fault(STREAM_HEAD, STREAM_END, seen=502),
    "a stream of blank lines": fault(STREAM_HEAD, chunk(b"\n\n\n"), STREAM_END, seen=502),
    "events behind [DONE]": events(EVENTS + event({"choices": [], "usage": None})),
}

TYPES = {
    "JSON as an event stream": fault(sized(GOOD, b"text/event-stream"), seen=WHOLE, gives=GOOD),
    "JSON to a streamed request": fault(OK, seen=WHOLE, gives=GOOD),
    "events as JSON": fault(sized(EVENTS), seen=WHOLE, gives=EVENTS),
    "events to a plain request": events(EVENTS),
    "events as plain text": fault(sized(EVENTS, b"text/plain"), seen=WHOLE, gives=EVENTS),
    "an error as an event stream": fault(
        sized(b'{"error":{"message":"no","type":"server_error"}}', b"text/event-stream"), seen=502
    ),
    "an error status as an event stream": fault(
        b"HTTP/1.1 503 X\r\ncontent-type: text/event-stream\r\n" + LENGTH % 14 + b'{"code":50505}', seen=503
    ),
    "no type": fault(
        b"HTTP/1.1 200 OK\r\n" + LENGTH % len(GOOD) + GOOD,
        streamed=(b"HTTP/1.1 200 OK\r\n" + CHUNKED + chunk(EVENTS) + STREAM_END,),
        seen=WHOLE,
    ),
    "a web page": fault(sized(b"<html>", b"text/html"), seen=502),
    "a web page as JSON": fault(sized(b"<html>"), seen=502),
    "plain words": fault(sized(b"just words", b"text/plain"), seen=WHOLE, gives=b"just words"),
    "octets": fault(
        sized(bytes(range(256)), b"application/octet-stream"), seen=WHOLE, gives=bytes(range(256))
    ),
    "a charset and spaces": fault(
        sized(b"\n\n  " + GOOD + b"\n", b"application/json; charset=utf-8"),
        seen=WHOLE,
        gives=b"\n\n  " + GOOD + b"\n",
    ),
}

KEPT = {
    "bytes behind the answer before": kept(OK + b"leftover"),
    "a line break behind the answer before": fault(OK, before=(OK + b"\r\n",), seen=WHOLE, gives=GOOD),
    "half an answer behind the answer before": kept(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 9"),
    "two answers to the request before": kept(OK + POISON),
    "a late second answer to the request before": kept(OK, 0.02, POISON),
    "two answers": fault(OK + POISON, streamed=(STREAM + POISON,), seen=WHOLE),
    "closes a kept connection": kept(OK, CUT),
    "closes a kept connection when asked": fault(
        CUT, before=(OK,), again=(OK,), seen=(WHOLE, WHOLE), gives=GOOD
    ),
    "resets a kept connection when asked": fault(
        RESET, before=(OK,), again=(OK,), seen=(WHOLE, WHOLE), gives=GOOD
    ),
    "breaks off on a kept connection": fault(b"HTTP/1.1 200 OK\r\nconte", CUT, before=(OK,), seen=502),
    "falls silent on a kept connection": fault(STALL, before=(OK,), seen=504),
}

OLD = {
    "HTTP/1.0 ended by a close": fault(OLD_JSON + GOOD, CUT, streamed=(OLD_SSE + EVENTS, CUT), seen=WHOLE),
    "HTTP/1.0 that breaks off": fault(
        OLD_JSON + GOOD[:40], CUT, streamed=(OLD_SSE + BEGUN, CUT), seen=(502, BROKEN)
    ),
    "HTTP/1.0 that resets": fault(
        OLD_JSON + GOOD[:40], 0.01, RESET, streamed=(OLD_SSE + BEGUN, 0.01, RESET), seen=(502, BROKEN)
    ),
    "HTTP/1.0 with a length": fault(
        b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n" + LENGTH % len(GOOD) + GOOD,
        CUT,
        seen=WHOLE,
        gives=GOOD,
    ),
    "HTTP/1.0 without a body": fault(OLD_JSON, CUT, streamed=(OLD_SSE, CUT), seen=502),
}

FAILED = {"error": {"message": "no"}}
LIMITED = {"error": {"message": "no", "code": "rate_limit_exceeded"}}

INSIDE = {
    "an error in a 200": fault(sized(b'{"error":{"message":"no","code":500}}'), seen=502),
    "a text as an error in a 200": fault(sized(b'{"error":"no"}'), seen=502),
    "an error as first event": fault(STREAM_HEAD, chunk(event(FAILED)), STREAM_END, seen=502),
    "an error as first event in bytes": fault(
        STREAM_HEAD,
        *(chunk(bytes([byte])) for byte in event(LIMITED)),
        STREAM_END,
        seen=429,
    ),
    "an error as first event, named": fault(
        STREAM_HEAD, chunk(b"event: error\n" + event(FAILED)), STREAM_END, seen=502
    ),
    "an error as a later event": fault(
        OK, streamed=(STREAM_HEAD, chunk(BEGUN), chunk(event(FAILED)), STREAM_END), seen=(WHOLE, TOLD)
    ),
    "an error as a later event, then a cut": fault(
        OK, streamed=(STREAM_HEAD, chunk(BEGUN), 0.01, chunk(event(FAILED)), CUT), seen=(WHOLE, BROKEN)
    ),
    "an error behind a comment": fault(
        sized(b"\n" * 9 + b'{"error":{"message":"no"}}'),
        streamed=(STREAM_HEAD, chunk(b": wait\n\n"), 0.01, chunk(event(FAILED)), STREAM_END),
        seen=502,
    ),
}

FAULTS: dict[str, Fault] = {
    **CONNECTION, **STALLS, **PIECES, **NOT_HTTP, **HEADS, **LENGTHS, **CHUNKS, **CODINGS, **EVENT_STREAMS,
    **TYPES, **KEPT, **OLD, **INSIDE, **ANSWERS, **WAITS,
}  # fmt: skip
"""All of them, by name."""
