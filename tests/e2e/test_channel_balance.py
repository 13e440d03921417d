"""`canalgate channel balance`: what a provider says is left, or one line that says why it does not."""

import asyncio
import json
import sys

import pytest
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import opened
from canalgate.proxy.records import DISABLED, ChannelRow
from support import CUT, json_answer

LEFT = json_answer({"balance_infos": [{"currency": "USD", "total_balance": "-0.50"},
                                      {"currency": "CNY", "total_balance": "110.00"}]})  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


async def told(folder, url, *words, types=("deepseek",), **fields):
    """Add channels and run the command; returns its exit status, output and error."""
    async with opened(Config(data=Data(dir=str(folder / "data")))) as parts:
        for kind in types:
            row = ChannelRow(0, kind, kind, url, "sk-upstream-secret", ("m",), 1, **fields)
            await parts.store.add_channel(row)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "canalgate", "channel", "balance", *words),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    async with opened(Config(data=Data(dir=str(folder / "data")))) as parts:
        kept = await parts.store.balances.all()
    return process.returncode, out.decode(), err.decode(), kept


async def test_what_is_left_is_shown_by_currency_and_kept(tmp_path, provider):
    provider.says(LEFT)
    status, out, err, kept = await told(tmp_path, provider.url, "1", status=DISABLED)
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["channel", "name", "currency", "balance", "error"], ["1", "deepseek", "CNY", "110", "-"],
        ["1", "deepseek", "USD", "-0.5", "-"],
    ]  # fmt: skip
    assert kept[1].micros == {"CNY": 110_000_000, "USD": -500_000}


async def test_all_are_asked_and_one_that_fails_keeps_no_other(tmp_path, provider):
    bad = json_answer({"error": {"message": "bad key sk-upstream-secret", "code": "invalid_api_key"}}, 401)
    provider.script = lambda asked: (LEFT if "/user/balance" in asked.line else bad,)
    status, out, err, kept = await told(
        tmp_path, provider.url, "all", "--json", types=("groq", "moonshot", "deepseek")
    )
    assert (status, err, list(kept)) == (1, "", [3])
    assert json.loads(out) == [
        {"channel": 2, "name": "moonshot", "currency": None, "balance": None,
         "error": "credential: bad key [...]"},
        {"channel": 3, "name": "deepseek", "currency": "CNY", "balance": "110", "error": None},
        {"channel": 3, "name": "deepseek", "currency": "USD", "balance": "-0.5", "error": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            json_answer({"error": {"message": "bad sk-upstream-secret"}}, 401),
            "no balance (credential): bad",
        ),
        (json_answer(b"<html>"), "no balance (fault): the answer does not say what is left of the account"),
        (CUT, "no balance (fault): "),
    ],
    ids=["key", "page", "cut"],
)
async def test_a_provider_that_fails_is_one_line(tmp_path, provider, answer, said):
    provider.says(answer)
    status, out, err, kept = await told(tmp_path, provider.url, "1")
    assert (status, out, kept) == (1, "", {})
    assert err.startswith(f"canalgate: channel 1: {said}")
    assert len(err.splitlines()) == 1


async def test_a_provider_that_cannot_be_asked_says_so(tmp_path, provider):
    status, out, err, _ = await told(tmp_path, provider.url, "1", types=("groq",))
    assert (status, out) == (1, "")
    assert err == "canalgate: channel 1: Groq has no call that tells a balance\n"
    assert provider.asked == []


async def test_where_none_can_be_asked_that_is_said(tmp_path, provider):
    status, out, _, _ = await told(tmp_path, provider.url, "all", types=("groq",))
    assert (status, out) == (0, "no channel whose provider tells a balance\n")
