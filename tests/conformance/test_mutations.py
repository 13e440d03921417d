"""Streams are changed in ways that mean the same, or cut where they mean less."""

import struct
import zlib
from dataclasses import replace

import pytest
from canalgate.proxy.conformance import mutations, read_stream
from canalgate.proxy.conformance.compose import TEXT
from canalgate.proxy.conformance.traffic import text_stream, tool_calls, usages

CASE = text_stream()
SAID = read_stream(CASE.body)


@pytest.mark.parametrize("changed", list(mutations.reframed(CASE)), ids=lambda case: case.name)
def test_another_framing_says_the_same_in_other_bytes(changed):
    assert changed.body != CASE.body
    assert read_stream(changed.body) == SAID


@pytest.mark.parametrize("changed", list(mutations.with_unknown(CASE)), ids=lambda case: case.name)
def test_strangers_in_a_stream_change_nothing(changed):
    assert mutations.UNKNOWN.encode() in changed.body
    assert read_stream(changed.body).choices == SAID.choices


@pytest.mark.parametrize("changed", list(mutations.cut(CASE)), ids=lambda case: case.name)
def test_a_cut_stream_is_a_beginning_and_expected_to_be_incomplete(changed):
    assert CASE.body.startswith(changed.body) and changed.body != CASE.body
    assert not changed.expected.complete


def test_a_piece_of_text_is_replaced_in_the_stream_and_in_what_is_expected():
    changed = mutations.with_text(CASE, "xyz" * 1000)
    assert read_stream(changed.body).choices == changed.expected.choices
    assert "xyz" * 1000 in changed.expected.choices[0].text


@pytest.mark.parametrize("case", [tool_calls()[0], usages()[0]], ids=lambda case: case.name)
def test_where_there_is_no_text_in_events_none_is_replaced(case):
    assert mutations.with_text(case) is None


def test_a_stream_whose_only_end_is_done_does_not_lose_it():
    body = CASE.body.replace(b'"finish_reason":"stop"', b'"finish_reason":null')
    changed = [case.name for case in mutations.reframed(replace(CASE, body=body))]
    assert not [name for name in changed if "DONE" in name]


def test_the_text_that_is_put_in_has_characters_of_every_length():
    assert {len(character.encode()) for character in TEXT} == {1, 2, 3, 4}


def test_a_stranger_in_an_aws_stream_is_a_frame_with_right_checksums():
    other = struct.pack(">II", 12, 0) + b"...."
    (changed,) = mutations.with_unknown(replace(CASE, form="eventstream", body=2 * other))
    inserted = changed.body.removeprefix(other).removesuffix(other)
    frame = inserted[: len(inserted) // 2]
    assert inserted == 2 * frame
    total, headers = struct.unpack(">II", frame[:8])
    assert (total, frame[12 + headers : -4]) == (len(frame), b"{}")
    assert struct.unpack(">I", frame[8:12])[0] == zlib.crc32(frame[:8])
    assert struct.unpack(">I", frame[-4:])[0] == zlib.crc32(frame[:-4])
