"""The one line of each request."""

import asyncio
import json
import logging

import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import Usage
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.access_log import AccessLog, Record
from canalgate.proxy.auth import Principal
from canalgate.proxy.records import ENABLED, ROLE_USER, ChannelRow, Token, User
from canalgate.proxy.routing.snapshot import bound

CHANNEL = bound(ChannelRow(7, "openai", "c", "http://127.0.0.1:1/v1", "k", ("m",), 1), OpenAIAdapter())
PRINCIPAL = Principal(
    Token(4, 5, "t", b"", "hint", ENABLED, 1), User(5, "anna", ROLE_USER, "default", ENABLED, 1)
)


def log_of_requests():
    return AccessLog(PluginManager(()).hooks)


def record(**values):
    made = Record("id1", "chat/completions", 10.0)
    for name, value in {"status": 200, "bytes_sent": 7, "ended_at": 10.25, **values}.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({}, {"status": 200, "total_ms": 250, "bytes": 7}),
        ({"status": 0}, {"status": 499}),
        ({"attempts": 1}, {}),
        ({"attempts": 3}, {"attempts": 3}),
        ({"first_byte_at": 10.1}, {"first_byte_ms": 100}),
        ({}, {"queue_ms": None}),
        ({"queued_s": 0.04}, {"queue_ms": 40}),
        ({"usage": Usage(3, 0)}, {"prompt_tokens": 3, "completion_tokens": 0}),
        ({"channel": CHANNEL, "principal": PRINCIPAL}, {"channel": 7, "token": 4}),
        ({"problem": "cut: no"}, {"problem": "cut: no"}),
    ],
)
def test_a_record_shows_what_is_known(values, shown):
    fields = record(**values).fields()
    assert {name: fields.get(name) for name in shown} == shown
    assert "model" not in fields and ("attempts" in fields) is ("attempts" in shown)


async def test_lines_come_together_within_a_moment(caplog):
    caplog.set_level(logging.INFO)
    async with log_of_requests() as log:
        log.add(record(problem="two\nlines"))
        log.add(record(status=502))
        assert caplog.records == []
        async with asyncio.timeout(2):
            while not caplog.records:  # noqa: ASYNC110  nothing says when a line is logged
                await asyncio.sleep(0.01)
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]
    first, second = caplog.records[0].getMessage().split("\n")
    assert "INFO" in first and "problem='two\\nlines'" in first
    assert "WARNING" in second and "status=502" in second


async def test_leaving_writes_what_waits(caplog):
    caplog.set_level(logging.INFO)
    async with log_of_requests() as log:
        log.add(record())
    assert "request_id=id1" in caplog.text


async def test_a_line_below_the_level_costs_nothing(caplog):
    caplog.set_level(logging.WARNING)
    async with log_of_requests() as log:
        log.add(record())
    assert caplog.records == []


async def test_json_lines_have_the_values_as_fields(caplog):
    caplog.set_level(logging.INFO)
    async with log_of_requests() as log:
        log.add(record(model="m"))
    line = json.loads(next(iter(caplog.records[0].msg.json())))
    assert (line["logger"], line["level"], line["model"], line["status"]) == (
        "canalgate.request",
        "INFO",
        "m",
        200,
    )
