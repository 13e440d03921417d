"""Hourly files: what is written, what is dropped and said so, and what is deleted."""

import logging
import os
import resource
import stat
import threading

import pytest
from canalgate.plugins.hourly import Drops, HourlyWriter

NOON = 1_800_000_000.0 // 86400 * 86400 + 12 * 3600
NOON_FILE = "2027-01-15T12Z.jsonl"


@pytest.fixture
def clock():
    """A clock that stands; a test moves it by setting its only element."""
    return [NOON]


@pytest.fixture
def make(tmp_path, clock):
    """Makes a writer of bytes in the folder `log`."""

    def made(make_line=lambda item: item, *, keep_hours=1, max_waiting=100, folder=tmp_path / "log"):
        drops = Drops("test", lambda: clock[0])
        return HourlyWriter(
            folder, make_line, keep_hours=keep_hours, max_waiting=max_waiting, drops=drops,
            clock=lambda: clock[0],
        )  # fmt: skip

    return made


def write(writer, *items):
    writer.start()
    for item in items:
        writer.add(item)
    writer.stop()


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def no_room():
    """Files may have a thousand bytes: a write beyond fails half-way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_lines_are_in_the_file_of_their_hour_in_their_order(make, tmp_path):
    write(make(), b"1\n", b"2\n")
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"1\n2\n"


def test_another_hour_has_another_file(make, tmp_path, clock):
    write(make(), b"1\n")
    clock[0] += 3600
    write(make(), b"2\n")
    assert [path.read_bytes() for path in sorted((tmp_path / "log").iterdir())] == [b"1\n", b"2\n"]


def test_a_file_that_is_there_is_continued(make, tmp_path):
    write(make(), b"1\n")
    write(make(), b"2\n")
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"1\n2\n"


def test_only_the_owner_may_read(make, tmp_path):
    before = os.umask(0)
    try:
        write(make(), b"1\n")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "log", tmp_path / "log" / NOON_FILE)]
    assert modes == [0o700, 0o600]


def test_what_was_open_to_others_is_closed(make, tmp_path):
    (tmp_path / "log").mkdir(mode=0o755)
    (tmp_path / "log" / NOON_FILE).touch(mode=0o644)
    write(make(), b"1\n")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "log", tmp_path / "log" / NOON_FILE)]
    assert modes == [0o700, 0o600]


def test_a_link_in_place_of_a_file_is_not_followed(make, tmp_path, caplog):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / NOON_FILE).symlink_to(tmp_path / "elsewhere")
    write(make(), b"1\n")
    assert not (tmp_path / "elsewhere").exists()
    assert "count=1" in warnings(caplog)[0]


def test_a_folder_that_cannot_be_made_is_an_error_at_once(make, tmp_path):
    (tmp_path / "log").write_text("a file")
    with pytest.raises(FileExistsError):
        make().start()


def test_more_than_may_wait_is_dropped_and_the_adder_does_not_wait(make, tmp_path, caplog):
    writer = make(max_waiting=3)
    for item in (b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"):
        writer.add(item)
    writer.start()
    writer.stop()
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"1\n2\n3\n"
    assert warnings(caplog) == ["test dropped entries count=1 reason='too many wait to be written'"]


def test_a_warning_comes_once_a_minute_and_says_how_many(make, clock, caplog):
    writer = make(max_waiting=1)
    for _ in range(5):
        writer.add(b"1\n")
    clock[0] += 61
    writer.add(b"1\n")
    assert [message.split()[3] for message in warnings(caplog)] == ["count=1", "count=4"]


def test_drops_that_were_not_told_of_can_be_told_of_at_the_end(clock, caplog):
    drops = Drops("test", lambda: clock[0])
    drops.add(1, "first")
    drops.add(2, "second")
    drops.warn(at_once=True)
    drops.warn(at_once=True)
    assert [message.split()[3] for message in warnings(caplog)] == ["count=1", "count=2"]


def test_a_full_disk_drops_lines_and_says_how_many(make, tmp_path, caplog, no_room):
    writer = make()
    for _ in range(4):
        writer.add(b"x" * 399 + b"\n")
    writer.start()
    writer.stop()
    assert (tmp_path / "log" / NOON_FILE).stat().st_size <= 1000
    assert warnings(caplog) == ["test dropped entries count=2 reason='File too large'"]


def test_after_half_a_line_the_next_one_begins_anew(make, tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / NOON_FILE).write_bytes(b"1\nhal")
    write(make(), b"2\n")
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"1\nhal\n2\n"


def test_a_folder_that_is_taken_away_is_made_again(make, tmp_path, clock):
    writer = make()
    writer.start()
    (tmp_path / "log").rmdir()
    writer.add(b"1\n")
    writer.stop()
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"1\n"


def test_an_item_without_a_line_takes_no_other_with_it(make, tmp_path, caplog):
    write(make(lambda item: b"%d\n" % (6 // item)), 1, 0, 2)
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"6\n3\n"
    assert "cannot be shown: ZeroDivisionError" in warnings(caplog)[0]


def test_lines_are_made_in_another_thread(make):
    threads = []
    write(make(lambda item: threads.append(threading.current_thread()) or item), b"1\n")
    assert threads[0] is not threading.current_thread()


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("2027-01-15T12Z.jsonl", True),
        ("2027-01-15T11Z.jsonl", True),
        ("2027-01-15T10Z.jsonl", True),
        ("2027-01-15T09Z.jsonl", False),
        ("2026-01-15T12Z.jsonl", False),
        ("2028-01-15T12Z.jsonl", True),
        ("2026-01-15.jsonl", True),
        ("2026-01-15T12Z.jsonl.kept", True),
        ("notes.jsonl", True),
    ],
)
def test_a_file_goes_when_its_last_line_is_too_old(make, tmp_path, name, stays):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / name).touch()
    write(make(keep_hours=2), b"")
    assert (tmp_path / "log" / name).exists() is stays


def test_an_old_file_that_cannot_be_deleted_is_warned_of(make, tmp_path, caplog):
    (tmp_path / "log" / "2026-01-15T12Z.jsonl").mkdir(parents=True)
    write(make(), b"1\n")
    assert "cannot be deleted" in warnings(caplog)[0]
    assert (tmp_path / "log" / NOON_FILE).read_bytes() == b"1\n"
