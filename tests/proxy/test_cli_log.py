"""`canalgate log` and `canalgate usage`, on a data directory that a gateway has written."""

import asyncio
import json
import time

import pytest
from canalgate.proxy.cli import main
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.ledger.entry import Counts, Entry
from canalgate.proxy.records import ENABLED, ROLE_USER, ChannelRow, Token, User
from canalgate.proxy.store import open_store
from canalgate.proxy.store.requests import Requests

NOW_MS = int(time.time() * 1000)
AGES_S = {1: 10, 2: 20, 3: 7200, 4: 100 * 86_400}


def made(number):
    at_ms = NOW_MS - AGES_S[number] * 1000
    failed = number == 2
    return Entry(
        f"{at_ms:012x}{number:012x}", at_ms, 1, 1 if number < 4 else 77, "default", None if failed else 1,
        "chat/completions", f"model-{number % 2}", "m", False, 429 if failed else 200, Counts(10, number),
        "provider", 617 * number, 617 * number, "p:1", 5, 50, 1, "::1", "rate" if failed else "",
        "x\x1b[2J" if failed else "",
    )  # fmt: skip


IDS = {number: made(number).request_id for number in AGES_S}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made_in = tmp_path_factory.mktemp("log")
    asyncio.run(fill(made_in))
    return made_in


async def fill(folder):
    async with open_store("", folder, open_vault(folder)) as store:
        await store.add_user(User(0, "ann", ROLE_USER, "default", ENABLED, 1))
        await store.add_user(User(0, "bob", ROLE_USER, "default", ENABLED, 1))
        await store.add_token(Token(0, 1, "laptop", b"h", "abcd", ENABLED, 1))
        await store.add_channel(ChannelRow(0, "openai", "east", "http://x", "k", ("m",), 1))
        requests, entries = Requests(store.database), [made(number) for number in AGES_S]
        await requests.prepare(entries)
        async with store.database.transaction() as transaction:
            await requests.write(transaction, entries)


@pytest.fixture
def run(folder, capsys, monkeypatch):
    monkeypatch.setenv("CANALGATE_DATA__DIR", str(folder))

    def command(*arguments):
        try:
            status = main(arguments)
        except SystemExit as exc:
            status = exc.code
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), [1, 2, 3, 4]), (("--user", "ann"), [1, 2, 3, 4]), (("--user", "bob"), []),
        (("--token", "77"), [4]),
        (("--channel", "1"), [1, 3, 4]), (("--model", "model-1"), [1, 3]), (("--errors",), [2]),
        (("--since", "1h"), [1, 2]), (("--since", "15s"), None), (("--limit", "2"), [1, 2]),
        (("--before", IDS[2]), [3, 4]), (("--model", "\0"), []),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_list_shows_what_is_asked_for(run, options, shown):
    status, out, err = run("log", "list", "--json", *options)
    if shown is None:
        assert (status, "invalid time value" in err) == (2, True)
    else:
        assert [row["request"] for row in json.loads(out)] == [IDS[number] for number in shown]


def test_a_list_names_people_and_money_and_says_how_to_go_on(run):
    _, out, _ = run("log", "list", "--limit", "2")
    lines = out.splitlines()
    assert " ".join(lines[1].split()[3:]) == "ann 1 laptop 1 east model-1 10 1 0.001234 50 200 -"
    assert lines[-1] == f"more: --before {IDS[2]}"
    assert "(77)" in run("log", "list", "--token", "77")[1]


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (("list", "--user", "eve"), 1, "there is no user 'eve'"),
        (("list", "--before", "yesterday"), 1, "--before 'yesterday': not a cursor"),
        (("list", "--limit", "0"), 2, "invalid number value: '0'"),
        (("list", "--limit", "1001"), 2, "invalid number value"),
        (("list", "--since", "-1h"), 2, "--since"),
        (("list", "--since", "h"), 2, "invalid time value: 'h'"),
        (("list", "--token", "0"), 2, "invalid id value: '0'"),
        (("show", "nothing"), 1, "there is no request 'nothing'"),
        (("show", "f" * 24), 1, "there is no request"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_in_a_line(run, arguments, status, error):
    found, out, err = run("log", *arguments)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert error in err


def test_a_request_is_shown_with_its_sum_and_nothing_for_the_terminal(run):
    status, out, _ = run("log", "show", IDS[2])
    assert status == 0
    assert "prompt_tokens 10\n" in out
    assert "cost, rounded up: 1234 quota = $0.002468" in out
    assert "\x1b" not in out
    assert json.loads(run("log", "show", IDS[2], "--json")[1])["problem"] == "x\x1b[2J"


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (("--by", "model"), [("model-1", 2), ("model-0", 1)]),
        (("--by", "user"), [("ann", 3)]),
        (("--by", "token"), [("1 laptop", 3)]),
        (("--by", "channel"), [("1 east", 2), (None, 1)]),
        (("--by", "token", "--since", "52w"), [("1 laptop", 3), ("(77)", 1)]),
    ],
    ids=str,
)
def test_usage_is_added_up(run, options, rows):
    found = json.loads(run("usage", "--json", *options)[1])
    by = [(row[options[1]], row["requests"]) for row in found]
    assert sorted(by, key=str) == sorted(rows, key=str)


def test_money_of_usage_is_exact(run):
    (row,) = json.loads(run("usage", "--json", "--by", "user")[1])
    assert (row["dollars"], row["prompt"], row["first_byte_ms"], row["failures"]) == ("0.007404", 30, 5, 1)
