"""The commands of money: what they change, what they refuse, and that a running gateway follows."""

import asyncio
import json
import os
import re
import time
import urllib.error
import urllib.request

import processes
import pytest
from canalgate.proxy.cli import main
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.store import open_store

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module", autouse=True)
def lane():
    """Commands know no lanes; once is enough."""


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run a command on a data directory of its own; returns status, output and errors."""
    monkeypatch.setenv("CANALGATE_DATA__DIR", str(tmp_path))

    def command(line, *more):
        try:
            status = main([*line.split(), *more])
        except SystemExit as exc:
            status = exc.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def done(run):
    """Run commands that must succeed; returns the output of the last."""

    def commands(*lines):
        for line in lines:
            status, out, err = run(line)
            assert (status, err) == (0, ""), line
        return out

    return commands


@pytest.fixture
def rows(done):
    """The rows of a list by their first column."""

    def listed(line):
        found = json.loads(done(f"{line} --json"))
        return {next(iter(row.values())): row for row in found}

    return listed


def on_store(folder, work):
    async def opened():
        async with open_store("", folder, open_vault(folder)) as store:
            return await work(store)

    return asyncio.run(opened())


# Users and tokens.


@pytest.mark.parametrize(
    ("commands", "remaining"),
    [
        (["user create a"], 0),
        (["user create a --quota 10usd"], 5_000_000),
        (["user create a --quota unlimited"], None),
        (["user create a", "user edit a --quota $0.5"], 250_000),
        (["user create a --quota 3", "user edit a --group vip"], 3),
        (["user create a --quota 3", "user disable a"], 3),
        (["user create a --quota unlimited", "user edit a --quota 7"], 7),
        (["user create a --quota 7", "user edit a --quota unlimited"], None),
        (["user create a", "user topup a 2usd"], 1_000_000),
        (["user create a --quota 2usd", "user topup a -2usd"], 0),
        (["user create a --quota 2usd", "user topup a -$1"], 500_000),
        (["user create a --quota 2usd", "user topup a -7"], 999_993),
        (["user create a", *["user topup a 5 --idempotency-key k"] * 2], 5),
    ],
    ids=range(13),
)
def test_what_a_user_may_spend(done, rows, commands, remaining):
    done(*commands)
    row = rows("user list")[1]
    assert (row["remaining"], row["used"]) == (remaining, 0)
    assert done("ledger verify") == "the ledger is true\n"


def test_a_new_user_gets_what_the_setting_says(done, rows, monkeypatch):
    monkeypatch.setenv("CANALGATE_QUOTA__NEW_USER", "0.5usd")
    done("user create a", "user create b --quota 1")
    assert [row["remaining"] for row in rows("user list").values()] == [250_000, 1]


@pytest.mark.parametrize(
    ("inviter", "invited", "remaining"),
    [
        ("--quota 1", "", [8, 5]),
        ("--quota 1", "--quota 100", [8, 105]),
        ("--quota unlimited", "", [None, 5]),
        ("--quota 1", "--quota unlimited", [8, None]),
    ],
)
def test_an_invitation_gives_to_both_who_are_not_without_limit(
    done, rows, monkeypatch, tmp_path, inviter, invited, remaining
):
    monkeypatch.setenv("CANALGATE_QUOTA__INVITED", "5")
    monkeypatch.setenv("CANALGATE_QUOTA__INVITER", "7")
    done(f"user create a {inviter}", f"user create b --invited-by a {invited}")
    assert [row["remaining"] for row in rows("user list").values()] == remaining
    gifts = on_store(tmp_path, lambda store: store.accounts.credits("user:2"))
    assert [(row.kind, row.note) for row in gifts] == [("gift", "invited by a")] * (remaining[1] is not None)


def test_an_invitation_by_nobody_makes_no_user(run, rows):
    assert run("user create b --invited-by nobody")[0] == 1
    assert rows("user list") == {}


def test_a_token_has_no_limit_of_its_own_until_it_is_given_one(done, rows):
    done("user create a --quota 9", "token create x --user a", "token create y --user a --quota 1usd")
    done("token edit 1 --quota 7", "token edit 2 --quota unlimited")
    assert [row["remaining"] for row in rows("token list").values()] == [7, None]
    done("token edit 1 --quota unlimited", "token edit 2 --quota 0")
    assert [row["remaining"] for row in rows("token list").values()] == [None, 0]
    assert re.search(r"unlimited +\$0\n.*\$0 +\$0\n", done("token list"))


# Prices, ratios, limits.


def test_a_price_is_set_shown_and_unset(done, rows, run):
    done(
        "channel add --name c --type openai --base-url http://h/v1 --key k --models gpt-4o,mystery,q"
        " --map q=up-q",
        "price set mystery --prompt 2.5 --completion 10 --cached 0.000001 --cache-write 3 --call 0.01"
        " --context 8192",
        "price set up-q --prompt 1",
    )
    listed = rows("price list")
    assert listed["mystery"]["more"] == {"cached": "0.000001", "cache_write": "3", "call": "0.01"}
    assert (listed["gpt-4o"]["prompt"], listed["gpt-4o"]["completion"]) == ("2.5", "10")
    assert (set(listed), listed["q"]["prompt"]) == ({"gpt-4o", "mystery", "q"}, "1")
    assert set(rows("price list --model m*y")) == {"mystery"}
    assert rows("price list --unpriced") == {}
    shown = {row["part"]: row["dollars"] for row in json.loads(done("price show mystery --json"))}
    assert (shown["prompt"], shown["call"]) == ("2.5", "0.01")
    done("price unset mystery")
    assert list(rows("price list --unpriced")) == ["mystery"]
    assert run("price show mystery")[0] == 1


def test_a_price_of_a_model_that_no_channel_has_is_listed_too(done, rows):
    done("price set later --prompt 1")
    assert rows("price list")["later"]["prompt"] == "1"


def test_the_ratios_of_groups_and_channels(done, rows):
    channel = "channel add --name c --base-url http://h/v1 --key k --models m --groups vip,default"
    done("group set vip --ratio 0.8", f"{channel} --ratio 1.2", "user create a --group staff")
    assert {name: row["ratio"] for name, row in rows("group list").items()} == {
        "default": "1", "staff": "1", "vip": "0.8",
    }  # fmt: skip
    assert rows("channel list")[1]["ratio"] == "1.2"
    done("channel edit 1 --ratio 0", "channel edit 1 --name d")
    assert rows("channel list")[1]["ratio"] == "0"


def test_limits_are_changed_one_by_one_and_unset(done, rows):
    done("user create a", "limit set user:1 --rpm 5 --day 10usd", "limit set user:1 --tpm 7 --rpm 0")
    done(
        "limit set token:* --concurrent 2",
        "limit set model:gpt-4o --month $100",
        "limit set group:v:ip --rpm 1",
    )
    listed = rows("limit list")
    assert listed["user:1"] == {
        "subject": "user:1", "rpm": 0, "tpm": 7, "concurrent": 0, "day": 5_000_000, "month": 0,
    }  # fmt: skip
    assert listed["model:gpt-4o"]["month"] == 50_000_000
    assert re.search(r"user:1 +- +7 +- +\$10 +-\n", done("limit list"))
    done("limit unset user:1")
    assert set(rows("limit list")) == {"token:*", "model:gpt-4o", "group:v:ip"}


# One API.


RATIOS = {"gpt-4o": 1.25, "mystery": 0.1, "whisper-1": 15}


@pytest.mark.parametrize(
    ("content", "groups"),
    [
        (RATIOS, {}),
        ({"ModelRatio": RATIOS, "GroupRatio": {"vip": 0.8}}, {"vip": "0.8"}),
        ({"ModelRatio": json.dumps(RATIOS), "CompletionRatio": "{}"}, {}),
        ({"data": [{"key": "ModelRatio", "value": json.dumps(RATIOS)}, {"key": "Theme", "value": "x"}]}, {}),
    ],
    ids=["bare", "objects", "texts", "answer"],
)
def test_ratios_of_one_api_become_prices(done, rows, tmp_path, content, groups):
    (tmp_path / "r.json").write_text(json.dumps(content))
    done(f"price import {tmp_path / 'r.json'}")
    assert {name: (row["prompt"], row["completion"]) for name, row in rows("price list").items()} == {
        "gpt-4o": ("2.5", "10"), "mystery": ("0.2", "0.2"), "whisper-1": ("30", "0"),
    }  # fmt: skip
    assert {name: row["ratio"] for name, row in rows("group list").items()} == groups


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not valid JSON"), ("[" * 100_000, "not valid JSON"), ("[]", "expected ModelRatio"),
        ("7", "expected a JSON object"), ('{"m": -1}', "'m': expected a ratio"),
        ('{"m": NaN}', "expected a ratio"),
        ('{"m": 1e400}', "expected a ratio"), ('{"m": 1e-999999999}', "expected a ratio"),
        ('{"m": true}', "expected a ratio"), ('{"m": "1"}', "expected a ratio"),
        ('{"m": null}', "expected a ratio"),
        ('{"m": Infinity}', "expected a ratio"), ('{"m": 1000000.1}', "expected a ratio"),
        ('{"ModelRatio": "{"}', "ModelRatio: not valid JSON"),
        ('{"ModelRatio": [1]}', "ModelRatio: expected an object"),
        ('{"ModelRatio": {"m": 1}, "GroupRatio": {"": 1}}', "a group has a name"),
        ('{"": 1}', "a model's name"),
        ('{"ok": 1, "\\u0000": 1}', "a model's name"), (b"\xff\xfe", "decode"), (None, "No such file"),
    ],
    ids=range(20),
)  # fmt: skip
def test_what_are_no_ratios_is_refused_and_changes_nothing(run, rows, tmp_path, content, said):
    path = tmp_path / "r.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, out, err = run("price import", str(path))
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err
    assert rows("price list") == {}


# Codes.


def test_codes_are_made_listed_disabled_and_redeemed(done, rows, run):
    done("user create a")
    first, second, third = done("code create --quota 5usd --count 3 --name spring --expires 30d").split()
    assert first not in done("code list --json")
    done("code disable 3")
    assert done(f"code redeem {first} --user a") == "user a: $5 added\n"
    done(*[f"code redeem {second} --user a --idempotency-key k"] * 2)
    for code, why in ((first, "was used already"), (third, "is disabled"), ("zzz", "there is no such code")):
        assert why in run(f"code redeem {code} --user a")[2]
    listed = rows("code list")
    assert [(row["status"], row["by"]) for row in listed.values()] == [
        ("used", "a"), ("used", "a"), ("disabled", None),
    ]  # fmt: skip
    assert (listed[1]["quota"], rows("user list")[1]["remaining"]) == (2_500_000, 5_000_000)


# What cannot be.

BAD = [
    (2, "user create a --quota lots", "argument --quota: 'lots': expected an amount like 10usd"),
    (2, "user create a --quota -1usd", "--quota"),
    (2, "user edit u --quota 1e400", "expected an amount like"),
    (2, "user edit u --quota 4611686018427387904", "too much"),
    (2, "user topup u NaN", "expected an amount like"),
    (2, "user topup u 0", "changes nothing"),
    (2, "token create x --user u --quota $0.0000001", "in steps of"),
    (2, "token edit 1", "required: --quota"),
    (2, "group set vip --ratio -1", "--ratio"),
    (2, "group set vip --ratio 1e3", "expected a ratio like 0.8"),
    (2, "channel add --name c --models m --ratio nan", "expected a ratio like 0.8"),
    (2, "limit set user:1 --rpm -1", "--rpm"),
    (2, "limit set user:1 --rpm 99999999999", "invalid number value"),
    (2, "limit set user:1 --day unlimited", "expected an amount like"),
    (2, "code create --quota 1 --count x", "invalid number value: 'x'"),
    (2, "price set m --context 1.5", "invalid number value"),
    (1, "user topup u -6", "the balance would be below zero"),
    (1, "user topup u 4611686018427387903", "too large"),
    (1, "user topup free 5", "is unlimited"),
    (1, "user topup nobody 5", "there is no user 'nobody'"),
    (1, "token edit 9 --quota 1", "there is no token 9"),
    (1, "price set m", "give a part of the price"),
    (1, "price set m --prompt NaN", "--prompt = 'NaN': expected an amount of 0 or more"),
    (1, "price set m --prompt x", "expected an amount in dollars"),
    (1, "price set m --call 1e400", "no model costs so much"),
    (1, f"price set {'m' * 192} --call 1", "a model's name has 1 to 191 characters"),
    (1, "price unset m", "no price is set for 'm'"),
    (1, "price show m", "'m' has no price"),
    (1, "limit set user:1", "give a limit"),
    (1, "limit set user:99 --rpm 1", "there is no user '99'"),
    (1, "limit set user:u --rpm 1", "there is no user 'u'"),
    (1, "limit set user:01 --rpm 1", "there is no user '01'"),
    (1, "limit set token:1 --rpm 1", "there is no token '1'"),
    (1, "limit set channel:1 --rpm 1", "there is no channel '1'"),
    (1, "limit set planet:1 --rpm 1", "'planet:1': expected token:7"),
    (1, "limit set user --rpm 1", "expected token:7"),
    (1, "limit set group: --rpm 1", "expected token:7"),
    (1, f"limit set model:{'m' * 190} --rpm 1", "at most 178"),
    (1, "limit unset user:1", "no limit is set for 'user:1'"),
    (1, "code create --quota 0", "worth more than nothing"),
    (1, "code create --quota 1 --count 0", "1 to 10000 codes"),
    (1, "code create --quota 1 --expires soon", "expected 12h, 30d"),
    (1, "code disable 1", "there is no code 1"),
    (1, "code redeem x --user nobody", "there is no user 'nobody'"),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    os.environ["CANALGATE_DATA__DIR"] = str(folder)
    try:
        assert main(["user", "create", "u", "--quota", "5"]) == 0
        assert main(["user", "create", "free", "--quota", "unlimited"]) == 0
    finally:
        del os.environ["CANALGATE_DATA__DIR"]
    return folder


@pytest.mark.parametrize(("status", "line", "said"), BAD, ids=[line[:40] for _, line, _ in BAD])
def test_a_wrong_command_says_so_in_one_line(run, filled, monkeypatch, status, line, said):
    monkeypatch.setenv("CANALGATE_DATA__DIR", str(filled))
    found, out, err = run(line)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert said in err


# The proof.


@pytest.mark.parametrize(
    ("statement", "lines"),
    [
        ("UPDATE accounts SET used = 3, credited = 8 WHERE name = 'user:1'",
         ["user:1: used 3 is not what its requests were charged, 0"]),
        ("UPDATE accounts SET balance = 6 WHERE name = 'user:1'",
         ["user:1: credited 5 is not balance 6 + leased 0 + used 0"]),
        ("INSERT INTO leases (owner, account, amount) VALUES ('gone', 'user:2', 1)",
         ["user:2: 1 leased by gone, which is no gateway"]),
    ],
)  # fmt: skip
def test_what_is_false_is_printed_and_fails(run, done, tmp_path, statement, lines):
    done("user create a --quota 5", "user create b --quota unlimited")

    async def spoil(store):
        async with store.database.transaction() as transaction:
            await transaction.run(statement)

    on_store(tmp_path, spoil)
    status, out, err = run("ledger verify")
    assert (status, out.splitlines(), err) == (1, lines, "")


def test_a_running_gateway_follows_and_its_ledger_is_true(done, rows, tmp_path):
    server = processes.start(tmp_path, "gateway", CANALGATE_DATA__DIR=str(tmp_path))
    try:
        port = server.port
        key = done(
            "user create a --quota 2usd", "token create x --user a", "price set demo --call 1"
        ).split()[0]
        key = done("token create y --user a").split()[0]
        first = [chat(port, key) for _ in range(3)]
        assert first[:2] == [200, 200]
        assert first[2] in (402, 403, 429)
        done("user topup a 1usd")
        assert wait_for(lambda: chat(port, key) == 200)
        wait_for(lambda: rows("user list")[2]["used"] == 1_500_000)
        assert done("ledger verify") == "the ledger is true\n"
        done("user topup a 5usd", "limit set user:2 --rpm 1")
        assert [chat(port, key), chat(port, key)][-1] == 429
    finally:
        server.process.kill()
        server.process.wait()


def chat(port, key):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(CHAT).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def wait_for(condition):
    """Return what a condition gives once it gives something."""
    end = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found
