"""Reads known by their ends as one chunk with an event at its end, and nothing that a parser would refuse."""

import pytest
from canalgate.proxy.wire.frames import event_frame, event_frames, frame_at, unframed


def event(size):
    return b'data: {"x":"' + b"y" * (size - 16) + b'"}\n\n'


def is_event(read):
    ends, expected, size = event_frame(len(read))
    return ends(read) == expected and size == len(unframed(read))


@pytest.mark.parametrize("size", [17, 254, 255, 256, 257, 4000, 4080])
def test_an_event_in_a_chunk_is_known_by_its_size_line_and_its_end(size):
    assert is_event(b"%x\r\n%b\r\n" % (size, event(size)))


def test_no_length_of_a_read_is_without_an_answer():
    for length in range(len(event_frames)):
        ends, expected, size = event_frame(length)
        assert len(ends(bytes(length))) in (0, 2)
        assert size == 0 or len(b"%x\r\n\r\n" % size) + size == length
        assert ends(bytes(length)) != expected


@pytest.mark.parametrize(
    "read",
    [
        b"51\r\n" + event(80) + b"\r\n",
        b"4f\r\n" + event(80) + b"\r\n",
        b"05\r\n" + event(80) + b"\r\n",
        b"50;\r" + event(80) + b"\r\n",
        b"050\r\n" + event(80) + b"\r\n",
        b"+50\r\n" + event(80) + b"\r\n",
        b" 50\r\n" + event(80) + b"\r\n",
        b"50\n\r" + event(80) + b"\r\n",
        b"50\r\n" + event(80) + b"\n\r",
        b"50\r\n" + event(80) + b"\n\n",
        b"50\r\n" + event(80),
        b"50\r\n" + event(80)[:-1] + b" \r\n",
        b"50\r\n" + b"data: " + b"x" * 66 + b"[DONE]\n\n"[-8:] + b"\r\n",
        b"0\r\n\r\n",
        b"",
    ],
)
def test_any_other_read_is_left_to_be_looked_at(read):
    assert not is_event(read)


def test_capitals_are_left_to_the_slower_look_which_takes_them():
    read = b"AB\r\n" + event(0xAB) + b"\r\n"
    assert not is_event(read)
    assert frame_at(read) == (4, len(read))
    assert frame_at(b"zz" + read, 2) == (4, len(read))
