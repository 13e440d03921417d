"""The file of an installation: what is read, what is refused and how, and what is written."""

from datetime import UTC, datetime

import pytest
from canalgate.proxy.blueprint.document import Channel, Document, Group, Route, Token, Waits, read, write

BAD = [
    # what stands in the file, the error
    ("", "version"),
    ("version = 2", "version: this program reads files of version 1"),
    ("version = '1'", "version: expected `int`, got `str`"),
    ("versoin = 1", "versoin: there is no such field"),
    ("version = 1\nchannel = []", "channel: there is no such field"),
    ("version = 1\nchannels = {}", "channels: expected `array`, got `object`"),
    ("version = 1\n[[channels]]\ntype = 'x'", "channels[0]: object missing required field `name`"),
    ("version = 1\n[[channels]]\nname = 'a'\nweigth = 1", "channels 'a'.weigth: there is no such field"),
    ("version = 1\n[[channels]]\nname = 'a'\nweight = '1'", "channels 'a'.weight: expected `int`, got `str`"),
    ("version = 1\n[[channels]]\nname = 'a'\nmodels = 'm'",
     "channels 'a'.models: expected `array`, got `str`"),
    ("version = 1\n[[channels]]\nname = 'a'\nmodels = [1]", "channels 'a'.models[0]: expected `str`"),
    ("version = 1\n[[channels]]\nname = 'a'\nstatus = 'on'", "channels 'a'.status: invalid enum value 'on'"),
    ("version = 1\n[[channels]]\nname = 'a'\nkey = 5", "channels 'a'.key: expected `str`"),
    ("version = 1\n[[channels]]\nname = 'a'\ntimes = {x = 1}",
     "channels 'a'.times.x: there is no such field"),
    ("version = 1\n[[channels]]\nname = 5", "channels[0].name: expected `str`, got `int`"),
    ("version = 1\n[[users]]\nname = 'a'\nrole = 'king'", "users 'a'.role: invalid enum value 'king'"),
    ("version = 1\n[[users]]\nname = 'a'\nbalance = 5", "users 'a'.balance: expected `str`"),
    ("version = 1\n[[tokens]]\nuser = 'a'\nname = 't'\nexpires_at = 2027-01-01T00:00:00",
     "tokens 't'.expires_at"),
    ("version = 1\n[[tokens]]\nuser = 'a'\nname = 't'\nexpires_at = 5", "tokens 't'.expires_at"),
    ("version = 1\n[groups.vip]\nratio = 0.8", "groups 'vip'.ratio: expected `str`, got `float`"),
    ("version = 1\n[models.a]\nmode = 'best'", "models 'a'.mode: invalid enum value 'best'"),
    ("version = 1\n[groups.a]\n[groups.vip]\nrate = '1'", "groups 'vip'.rate: there is no such field"),
    ("version = 1\n[prices]\na = 5", "prices 'a': expected `object`, got `int`"),
    ("version = 1\n[secrets]\ncipher = 'x'", "secrets: object missing required field `salt`"),
    ("version = 1\n[[limits]]\nrpm = 5", "limits[0].rpm: there is no such field"),
    ("version = ", "not valid TOML"),
    ("version = 1\nversion = 1", "not valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_what_is_wrong_is_said_with_its_place_in_one_line(text, problem):
    with pytest.raises(ValueError) as caught:
        read(text, "toml")
    said = str(caught.value)
    assert problem in said
    assert "\n" not in said


@pytest.mark.parametrize("text", ["", "[]", "5", "null", '{"version": 1', '{"version": 1.5}', "[" * 100_000])
def test_json_that_is_none_of_ours_is_refused(text):
    with pytest.raises(ValueError):
        read(text, "json")


FULL = Document(
    version=1,
    groups={"vip": Group(ratio="0.8"), "a.b c": Group()},
    prices={"gpt-4.1": {"prompt": "2.5", "context": 5}},
    models={"m": Route(mode="latency", fallbacks=("x", "y"))},
    channels=(
        Channel(name="主", models=("m",), mapping={"m": "x"}, options={"a": "b"}, times=Waits(connect_s=1.5)),
        Channel(name="b", key="-----BEGIN\nx\n", proxy="", weight=0),
    ),
    users=(),
    tokens=(Token(user="a", name="t", end="abcd", expires_at=datetime(2027, 1, 31, tzinfo=UTC)),),
)


@pytest.mark.parametrize("form", ["toml", "json"])
def test_what_is_written_is_read_as_what_it_was(form):
    assert read(write(FULL, form), form) == FULL


@pytest.mark.parametrize("form", ["toml", "json"])
def test_what_is_at_its_default_is_not_written(form):
    text = write(Document(version=1, channels=(Channel(name="a", models=("m",)),)), form)
    assert not [
        word for word in ("weight", "status", "key", "groups", "limits") if word in text.split("\n\n", 1)[-1]
    ]


def test_secret_fields_are_in_no_representation():
    assert "-----BEGIN" not in repr(FULL)
