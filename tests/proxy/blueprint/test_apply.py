"""A file is applied: what becomes of an installation, what is refused, and what stays."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.billing.limits import Limit
from canalgate.proxy.blueprint.apply import decide, write
from canalgate.proxy.blueprint.decision import Options
from canalgate.proxy.blueprint.describe import describe, secrets_of
from canalgate.proxy.blueprint.document import read as read_document
from canalgate.proxy.blueprint.document import write as write_document
from canalgate.proxy.blueprint.here import read
from canalgate.proxy.blueprint.locked import NO_SECRETS
from canalgate.proxy.keys.vault import Vault
from canalgate.proxy.manage.refused import Refused
from canalgate.proxy.prices.amounts import read_price
from canalgate.proxy.records import (
    DISABLED,
    ENABLED,
    ROLE_ROOT,
    ROLE_USER,
    ChannelRow,
    ModelRoute,
    Times,
    Token,
    User,
)
from canalgate.proxy.store import StoreError, open_store
from hypothesis import given, settings
from hypothesis import strategies as st

VAULT, ELSEWHERE = Vault(bytes(32)), Vault(b"x" * 32)
ADAPTERS = PluginManager(BUILTIN, None).adapters
NOW = 1_790_000_000
HASH = "scrypt$c2FsdA==$aGFzaA=="


async def apply(store, text, *, secrets=NO_SECRETS, vault=VAULT, prune=False, dry_run=False, form="toml"):
    """Apply a file, or only decide; returns the decision."""
    text = text if text.startswith(("#", "{")) else f"version = 1\n{text}"
    here = await read(store, vault)
    options = Options(NOW, prune=prune, balance="3usd")
    decision = decide(read_document(text, form), secrets, here, ADAPTERS, vault, options)
    if not dry_run:
        await write(store, decision, NOW)
    return decision


async def export(store, vault=VAULT):
    """Return an installation's file and its secrets."""
    here = await read(store, vault)
    return write_document(describe(here, ADAPTERS), "toml"), secrets_of(here, ADAPTERS)


def told(decision):
    """What a decision does, as (sign, kind, name)."""
    return [(one.action, one.kind, one.name) for one in decision.changes]


async def fill(store, vault=VAULT):
    """Set everything that can be set, with awkward names and values."""
    await store.add_channel(
        ChannelRow(
            0, "openai", "main 主", "https://h/v1", "sk-1\nsk-2", ("m", '模型 "x"'), 7, {"m": "up"}, -3, 5,
            ("vip", "default"), DISABLED, "socks5://u:p@h:1", {"tidy": "off"}, 1_200_000,
            Times(1.5, None, 3.0, None, 0.25),
        )
    )  # fmt: skip
    await store.add_channel(ChannelRow(0, "demo", "plain", "", "", ("m", "n"), 7, proxy="http://h:1"))
    root = await store.add_user(User(0, "root", ROLE_ROOT, "default", ENABLED, 5, HASH))
    anna = await store.add_user(User(0, "anna / b", ROLE_USER, "vip", DISABLED, 5, ""), 5_000_000)
    for number, name in enumerate(("t", "t", "other")):
        key = f"key-number-{number}-{number}zzz"
        token = Token(0, anna.id, name, vault.token_hash(key), f"{number}zzz", ENABLED, 5)
        await store.add_token(
            replace(token, expires_at=1_800_000_000, models=("m",), subnets=("10.0.0.0/8",)), 7
        )
    await store.add_token(Token(0, root.id, "t", vault.token_hash("root-key"), "-key", DISABLED, 5))
    await store.prices.set_all(
        {"m": read_price("m", {"prompt": "2.5", "cached": "0", "context": 9})}, {"vip": 800_000, "x": 0}
    )
    await store.routes.set(ModelRoute("alias", "latency", ("m", "n")))
    await store.routes.set(ModelRoute("m", "", ("n",)))
    for subject in ("token:2", "token:*", f"user:{anna.id}", "channel:1", "group:vip", "model:m"):
        await store.limits.set(subject, Limit(1, 2, 3, 4, 5))


@asynccontextmanager
async def second(tmp_path, vault=ELSEWHERE):
    """Another installation, empty, with a key of its own."""
    (tmp_path / "second").mkdir(exist_ok=True)
    async with open_store("", tmp_path / "second", vault) as store:
        yield store


@pytest.fixture
async def store(tmp_path, database_url):
    async with open_store(database_url, tmp_path, VAULT) as opened:
        yield opened


@pytest.fixture
async def one(tmp_path):
    """An empty store where the kind of database does not matter."""
    async with open_store("", tmp_path, VAULT) as opened:
        yield opened


# Round trips.


@pytest.mark.parametrize("prune", [False, True])
async def test_a_file_of_an_installation_changes_nothing_in_it(store, prune):
    await fill(store)
    text, secrets = await export(store)
    generation = await store.generation()
    for known in (NO_SECRETS, secrets):
        decision = await apply(store, text, secrets=known, prune=prune)
        assert (decision.changes, decision.left, decision.keys, decision.hash_keys) == ([], [], {}, ())
    assert await store.generation() == generation


async def test_another_installation_becomes_the_same_and_tokens_keep_their_keys(store, tmp_path):
    await fill(store)
    text, secrets = await export(store)
    async with second(tmp_path) as other:
        await apply(other, text, secrets=secrets, vault=ELSEWHERE)
        again = await apply(other, text, secrets=secrets, vault=ELSEWHERE, prune=True)
        assert (again.changes, again.left) == ([], [])
        assert (await export(other, ELSEWHERE))[0] == text
        token, user = await other.token_by_key("key-number-2-2zzz")
        assert (token.name, user.name) == ("other", "anna / b")
        assert [row.key for row in await other.channels()] == ["sk-1\nsk-2", ""]
        assert (await other.user("root")).password_hash == HASH
        assert await other.accounts.violations() == []


async def test_an_installation_comes_back_from_what_another_made_of_it(one, tmp_path):
    await fill(one)
    text, secrets = await export(one)
    async with second(tmp_path) as other:
        await apply(other, text, secrets=secrets, vault=ELSEWHERE)
        there, known = await export(other, ELSEWHERE)
    decision = await apply(one, there, secrets=known, prune=True)
    assert (decision.changes, decision.hash_keys) == ([], (ELSEWHERE.hash_key,))


async def test_without_secrets_what_is_new_has_none_and_says_so(one, tmp_path):
    await fill(one)
    text, _ = await export(one)
    text = text.replace('name = "main 主"', 'name = "main 主"\nkey = "sk-by-hand"')
    async with second(tmp_path) as other:
        decision = await apply(other, text, vault=ELSEWHERE)
        assert decision.without_password == ["root", "anna / b"]
        assert len(set(decision.keys.values())) == 4
        again = await apply(other, text, vault=ELSEWHERE, prune=True)
        assert (again.changes, again.keys) == ([], {})
        for name, key in decision.keys.items():
            token, user = await other.token_by_key(key)
            assert name == f"{user.name}/{token.name} ...{token.hint}"


async def test_balances_count_for_what_is_new_and_never_again(one):
    text = '[[users]]\nname="a"\nbalance="5usd"\n[[users]]\nname="b"\n'
    text += '[[tokens]]\nuser="a"\nname="t"\nbalance="$1"\n'
    await apply(one, text)
    decision = await apply(one, text.replace("5usd", "9usd").replace("$1", "$2"))
    states = await one.accounts.states()
    assert (decision.changes, states["user:1"].remaining, states["user:2"].remaining) == (
        [],
        2_500_000,
        1_500_000,
    )
    assert states["token:1"].remaining == 500_000


# What changes.


CHANGES = [  # what is in the file, what is done, which fields
    ("[[channels]]\nname = 'plain'\ntype = 'demo'\nmodels = ['m', 'n']\nproxy = 'http://h:1'\nweight = 9",
     [("changed", "channel", "plain")], {"weight": ("1", "9")}),
    ("[[channels]]\nname = 'plain'\ntype = 'demo'\nmodels = ['m']\ntimes = {idle_s = 2}",
     [("changed", "channel", "plain")],
     {"models": ("m, n", "m"), "proxy": ("http://h:1", ""), "times": ("", "idle_s=2.0")}),
    ("[[channels]]\nname = 'plain'\ntype = 'demo'\nmodels = ['m', 'n']\n"
     "proxy = 'http://u:secret@h:1'\nkey = 'sk-secret'",
     [("changed", "channel", "plain")], {"proxy": ("http://h:1", "(set)"), "key": ("", "(set)")}),
    ("[[users]]\nname = 'anna / b'\ngroup = 'gold'",
     [("changed", "user", "anna / b")], {"group": ("vip", "gold"), "status": ("disabled", "enabled")}),
    ("[[tokens]]\nuser = 'anna / b'\nname = 'other'\nmodels = ['m']\n"
     "subnets = ['10.9.9.9/8']\nexpires_at = 2027-01-15T08:00:00Z\nstatus = 'disabled'",
     [("changed", "token", "anna / b/other ...2zzz")], {"status": ("enabled", "disabled")}),
    ("[groups.vip]\nratio = '1.5'", [("changed", "group", "vip")], {"ratio": ("0.8", "1.5")}),
    ("[prices.m]\nprompt = '3'\ncontext = 9", [("changed", "price", "m")],
     {"prompt": ("2.5", "3"), "cached": ("0", "")}),
    ("[models.m]\nmode = 'cheapest'", [("changed", "model", "m")],
     {"mode": ("", "cheapest"), "fallbacks": ("n", "")}),
    ("[[limits]]\nchannel = 'main 主'\nday_budget = '5usd'", [("changed", "limit", "channel main 主")],
     {"requests_per_minute": ("1", "0"), "tokens_per_minute": ("2", "0"), "concurrent": ("3", "0"),
      "day_budget": ("$0.000008", "$5"), "month_budget": ("$0.00001", "$0")}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "changes", "fields"), CHANGES)
async def test_only_what_differs_changes_and_is_told_field_by_field(one, text, changes, fields):
    await fill(one)
    dry = await apply(one, text, dry_run=True)
    assert (told(dry), {field.name: (field.before, field.after) for field in dry.changes[0].fields}) == (
        changes,
        fields,
    )
    assert "secret" not in repr(dry.changes)
    assert told(await apply(one, text)) == changes
    assert (await apply(one, text)).changes == []


async def test_what_the_file_does_not_name_stays_unless_pruned(store):
    await fill(store)
    text = "channels = []\nusers = []\ntokens = []\nlimits = []\ngroups = {}\nprices = {}\nmodels = {}"
    decision = await apply(store, text)
    assert (decision.changes, len(decision.left)) == ([], 2 + 1 + 4 + 6 + 2 + 1 + 2)
    pruned = await apply(store, text, prune=True)
    assert {one.action for one in pruned.changes} == {"removed"}
    assert [user.name for user in await store.users()] == ["root"]
    left = [await store.channels(), await store.tokens(), await store.limits.all(), await store.prices.all()]
    assert [len(one) for one in left] == [0, 0, 0, 0]
    assert (await apply(store, text, prune=True)).changes == []
    assert await store.accounts.violations() == []


@pytest.mark.parametrize("section", ["channels", "users", "tokens", "limits"])
async def test_a_section_that_is_not_there_is_left_alone_even_when_pruned(one, section):
    await fill(one)
    decision = await apply(one, f"{section} = []", prune=True)
    kinds = {kind for _, kind, _ in told(decision)}
    assert kinds == {section.removesuffix("s")}


async def test_a_key_that_goes_makes_room_for_the_same_under_another_name(one):
    key = "a-key-that-moves"
    await apply(one, f"[[users]]\nname='a'\n[[tokens]]\nuser='a'\nname='old'\nkey='sk-{key}'")
    await apply(one, f"[[tokens]]\nuser='a'\nname='new'\nkey='sk-{key}'", prune=True)
    assert [token.name for token in await one.tokens()] == ["new"]
    assert (await one.token_by_key(key))[0].hint == "oves"


async def test_limits_may_name_what_the_same_file_makes(one):
    await apply(one, "[[users]]\nname='a'\n[[tokens]]\nuser='a'\nname='t'\n"
                     "[[channels]]\nname='c'\ntype='demo'\nmodels=['m']\n"
                     "[[limits]]\nuser='a'\ntoken='t'\nconcurrent=1\n[[limits]]\nuser='a'\nconcurrent=2\n"
                     "[[limits]]\nchannel='c'\nconcurrent=3")  # fmt: skip
    limits = await one.limits.all()
    assert {subject: limit.concurrent for subject, limit in limits.items()} == {
        "token:1": 1, "user:1": 2, "channel:1": 3,
    }  # fmt: skip


async def test_a_channel_of_a_plugin_that_is_gone_may_stay_as_it_is(one):
    await one.add_channel(ChannelRow(0, "gone", "old", "", "k", ("m",), 1, options={"a": "b"}))
    text, _ = await export(one)
    assert "b" not in text.split("type = ")[1].split("\n")[1]
    assert (await apply(one, text)).changes == []
    with pytest.raises(Refused, match=r"channels 'old'\.type: there is no adapter 'gone'"):
        await apply(one, text.replace('type = "gone"', 'type = "gone"\nweight = 5'))


# What is refused.


USER = "[[users]]\nname = 'a'\n"
REFUSED = [
    ("[[channels]]\nname='c'\nmodels=['m']\n[[channels]]\nname='c'\nmodels=['n']",
     "channels: 'c' is there twice"),
    ("[[channels]]\nname='c'\ntype='nope'\nmodels=['m']", "channels 'c'.type: there is no adapter 'nope'"),
    ("[[channels]]\nname='c'", "channels 'c'.models: a channel needs"),
    ("[[channels]]\nname=' '\nmodels=['m']", "channels ' ': a name has"),
    ("[[channels]]\nname='c'\nmodels=['m']\nratio='1,5'", "channels 'c'.ratio: '1,5'"),
    ("[[channels]]\nname='c'\nmodels=['m']\nweight=-1", "channels 'c'.weight: expected 0"),
    ("[[channels]]\nname='c'\nmodels=['m']\noptions={x='1'}", "channels 'c'.options"),
    ("[[channels]]\nname='c'\nmodels=['m']\nproxy='ftp://h'", "channels 'c'.proxy"),
    ("[[channels]]\nname='c'\nmodels=['m']\ntimes={idle_s=-1}", "channels 'c'.times.idle_s"),
    (USER + USER, "users: 'a' is there twice"),
    ("[[users]]\nname='a'\nbalance='lots'", "users 'a'.balance: 'lots'"),
    ("[[users]]\nname='a'\ngroup=''", "users 'a'.group: a name has"),
    ('[[users]]\nname="a\\u0007"', "a name has"),
    ("[[users]]\nname='a'\nrole='root'\n[[users]]\nname='b'\nrole='root'",
     "users 'b'.role: there is a root user"),
    ("[[tokens]]\nuser='nobody'\nname='t'", "tokens 'nobody/t'.user: there is no user"),
    (USER + "[[tokens]]\nuser='a'\nname='t'\nsubnets=['x']", "tokens 'a/t'.subnets: 'x'"),
    (USER + "[[tokens]]\nuser='a'\nname='t'\nend='123456789'", "tokens 'a/t'.end: expected at most 8"),
    (USER + "[[tokens]]\nuser='a'\nname='t'\nkey='short'", "tokens 'a/t'.key: expected 8"),
    (USER + "[[tokens]]\nuser='a'\nname='t'\n[[tokens]]\nuser='a'\nname='t'",
     "tokens 'a/t': several have this name"),
    (USER + "[[tokens]]\nuser='a'\nname='t'\nend='x'\n[[tokens]]\nuser='a'\nname='t'\nend='x'",
     "'x' is there twice"),
    ("[groups.vip]\nratio='-1'", "groups 'vip'.ratio: '-1'"),
    ("[groups.' ']\nratio='1'", "groups ' ': a name has"),
    ("[prices.m]\nprompt='-1'", "prices 'm': prompt"),
    ("[prices.m]\npromt='1'", "prices 'm': unknown field 'promt'"),
    ("[models.m]\nfallbacks=['n']", "models 'm'.fallbacks: no channel offers 'n'"),
    ("[[limits]]\nconcurrent=1", "limits[0]: expected one of each"),
    ("[[limits]]\nuser='a'\ngroup='b'", "limits[0]: expected one of each"),
    ("[[limits]]\ngroup='a'\ntoken='b'", "limits[0]: expected one of each"),
    ("[[limits]]\nuser='a'", "limits[0].user: there is no user 'a'"),
    ("[[limits]]\nchannel='a'", "limits[0].channel: there is no channel 'a'"),
    (USER + "[[limits]]\nuser='a'\ntoken='t'", "limits[0].token: a/t: there is no such token"),
    ("[[limits]]\ngroup='*'", "limits[0].group: expected a name"),
    ("[[limits]]\ngroup='g'\nconcurrent=-1", "limits[0].concurrent"),
    ("[[limits]]\ngroup='g'\nday_budget='much'", "limits[0].day_budget: 'much'"),
    ("[[limits]]\ngroup='g'\n[[limits]]\ngroup='g'", "limits: 'group g' is there twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), REFUSED)
async def test_what_cannot_be_is_named_and_nothing_is_written(one, text, problem):
    generation = await one.generation()
    with pytest.raises((Refused, ValueError)) as caught:
        await apply(one, text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (await one.generation(), await one.users(), await one.channels()) == (generation, [], [])


async def test_the_root_user_stays_as_it_is(one):
    await fill(one)
    for text in ("[[users]]\nname='root'", "[[users]]\nname='root'\nrole='root'\nstatus='disabled'"):
        with pytest.raises(Refused, match="users 'root': the root user stays"):
            await apply(one, text)
    with pytest.raises(Refused, match=r"users 'new'\.role: there is a root user already, 'root'"):
        await apply(one, "[[users]]\nname='new'\nrole='root'")


async def test_names_that_stand_for_two_are_refused_with_what_to_do(one):
    for _ in range(2):
        await one.add_channel(ChannelRow(0, "demo", "twice", "", "", ("m",), 1))
    with pytest.raises(
        Refused, match=r"1 and 2 are both named 'twice'; rename one: canalgate channel edit 2"
    ):
        await export(one)
    with pytest.raises(Refused, match="twice"):
        await apply(one, "channels = []")


async def test_a_change_that_comes_between_is_not_overwritten(store):
    await fill(store)
    text = "[[channels]]\nname='plain'\ntype='demo'\nmodels=['m']\n[groups.new]\nratio='2'"
    decision = await apply(store, text, dry_run=True)
    await store.prices.set_group_ratio("vip", 5)
    before = await export(store)
    with pytest.raises(StoreError, match="changed by somebody else; try again"):
        await write(store, decision, NOW)
    assert await export(store) == before


async def test_a_clash_in_the_middle_leaves_nothing_behind(store):
    await fill(store)
    before = await export(store)
    text = "[groups.new]\nratio='2'\n[[tokens]]\nuser='root'\nname='new'\nkey='sk-key-number-0-0zzz'"
    with pytest.raises(StoreError, match="nothing was written"):
        await apply(store, text)
    assert await export(store) == before


# The property: whatever is in a file, applying it again changes nothing, and its own file says the same.

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
MODELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
CHANNELS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES, "type": st.just("demo"), "models": MODELS},
        optional={
            "mapping": st.dictionaries(st.sampled_from("abcd"), NAMES, max_size=2),
            "weight": st.integers(0, 100),
            "ratio": st.sampled_from(["0", "0.5", "1", "1.000001", "20"]),
            "groups": st.lists(NAMES, max_size=2, unique=True),
            "status": st.sampled_from(["enabled", "disabled"]),
            "key": NAMES,
            "proxy": st.sampled_from(["", "http://h:1", "http://u:p@h:1"]),
            "times": st.dictionaries(
                st.sampled_from(["connect_s", "idle_s"]), st.floats(0.001, 1000), max_size=2
            ),
        },
    ),
    max_size=3,
    unique_by=lambda entry: entry["name"],
)
USERS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "role": st.sampled_from(["user", "admin"]),
            "group": NAMES,
            "status": st.sampled_from(["enabled", "disabled"]),
            "balance": st.sampled_from(["unlimited", "5usd", "7"]),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda entry: entry["name"],
)
PRICES = st.dictionaries(
    NAMES,
    st.dictionaries(st.sampled_from(["prompt", "cached", "call"]), st.sampled_from(["0", "2.5"])),
    max_size=2,
)
FILES = st.fixed_dictionaries(
    {"version": st.just(1), "channels": CHANNELS, "users": USERS, "prices": PRICES},
    optional={"groups": st.dictionaries(NAMES, st.fixed_dictionaries({"ratio": st.just("0.5")}), max_size=2)},
)


@settings(deadline=None, max_examples=40)
@given(files=st.lists(FILES, min_size=1, max_size=2), data=st.data())
def test_applying_a_file_again_changes_nothing(tmp_path_factory, files, data):
    for file in files:
        names = [user["name"] for user in file["users"]]
        ends = data.draw(st.lists(st.sampled_from(["abcd", "x", "é!"]), min_size=1, unique=True))
        user = data.draw(st.sampled_from(names))
        file["tokens"] = [{"user": user, "name": "t", "end": end} for end in ends]
        own = [{"user": name, "concurrent": 1} for name in names[:1] if name != "*"]  # all of them
        file["limits"] = [*own, {"each": "token", "day_budget": "1usd"}]
    asyncio.run(_again(tmp_path_factory.mktemp("property"), files))


async def _again(folder, files):
    async with open_store("", folder, VAULT) as store:
        for file in files:
            text = msgspec.json.encode(file).decode()
            await apply(store, text, prune=True, form="json")
            again = await apply(store, text, prune=True, form="json")
            assert (again.changes, again.left) == ([], [])
            own, secrets = await export(store)
            for known in (NO_SECRETS, secrets):
                assert (await apply(store, own, secrets=known, prune=True)).changes == []
