"""What was appended is found again, and half a record is not."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from canalgate.proxy.ledger.journal import DeadJournal, Journal, dead_journals
from hypothesis import given
from hypothesis import strategies as st


def left_behind(folder, *records):
    """A journal as a gateway leaves it that was killed."""
    journal = Journal(folder)
    positions = [journal.append(record) for record in records]
    journal.close(remove=False)
    return journal.owner, positions


def found(folder, after=0):
    (dead,) = dead_journals(folder)
    try:
        return list(dead.records(after))
    finally:
        dead.close(remove=False)


def test_records_of_a_dead_gateway_come_back_with_their_positions(tmp_path):
    _, positions = left_behind(tmp_path, b"one", b"two")
    assert found(tmp_path) == [(positions[0], b"one"), (positions[1], b"two")]


def test_records_that_are_booked_do_not_come_back(tmp_path):
    _, positions = left_behind(tmp_path, b"one", b"two")
    assert found(tmp_path, after=positions[0]) == [(positions[1], b"two")]


def test_a_journal_that_its_gateway_is_removing_is_nobodys_to_book(tmp_path):
    """A gateway that drains may end at the very moment when its successor's successor starts."""
    seen, is_over = [], threading.Event()

    def look():
        while not is_over.is_set():
            for dead in dead_journals(tmp_path):
                seen.append(dead.owner)
                dead.close(remove=False)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for _ in range(200):
            Journal(tmp_path).close(remove=True)
        is_over.set()
        looking.result()
    assert seen == []


def test_the_journal_of_a_living_gateway_is_left_alone(tmp_path):
    journal = Journal(tmp_path)
    journal.append(b"mine")
    assert list(dead_journals(tmp_path)) == []
    journal.close(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_the_death_of_the_process_is_enough_for_the_lock_to_go(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from canalgate.proxy.ledger.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); journal.append(b'last words'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert [record for _, record in found(tmp_path)] == [b"last words"]


@pytest.mark.parametrize("harm", ["cut", "flipped", "zeroed"])
def test_a_record_that_is_not_whole_ends_the_journal(tmp_path, harm):
    owner, positions = left_behind(tmp_path, b"one", b"two")
    (file,) = (tmp_path / owner).glob("*.log")
    data = bytearray(file.read_bytes())
    if harm == "cut":
        data = data[: positions[1] - 1]
    elif harm == "flipped":
        data[positions[1] - 1] ^= 1
    else:
        data[positions[0] : positions[1]] = bytes(positions[1] - positions[0])
    file.write_bytes(data)
    assert [record for _, record in found(tmp_path)] == [b"one"]


def test_an_empty_journal_has_nothing(tmp_path):
    left_behind(tmp_path)
    assert found(tmp_path) == []


def test_a_folder_that_is_not_there_has_no_journals(tmp_path):
    assert list(dead_journals(tmp_path / "nowhere")) == []


def test_space_is_taken_ahead(tmp_path):
    journal = Journal(tmp_path)
    (file,) = (tmp_path / journal.owner).glob("*.log")
    assert file.stat().st_size >= 1024 * 1024
    for _ in range(6):
        journal.append(bytes(100_000))
    journal.make_room()
    assert file.stat().st_size >= journal.position + 512 * 1024
    journal.close(remove=True)


def test_a_full_file_makes_way_for_a_new_one_and_goes_when_it_is_booked(tmp_path, monkeypatch):
    monkeypatch.setattr("canalgate.proxy.ledger.journal._FILE_BYTES", 100)
    journal = Journal(tmp_path)
    first = journal.append(bytes(150))
    journal.imported(0)
    journal.append(b"in the second file")
    assert len(list((tmp_path / journal.owner).glob("*.log"))) == 2
    journal.close(remove=False)
    assert [record for _, record in found(tmp_path)] == [bytes(150), b"in the second file"]
    assert [record for _, record in found(tmp_path, after=first)] == [b"in the second file"]


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path):
    resource = pytest.importorskip("resource")
    journal = Journal(tmp_path)
    journal.append(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.position + 20, hard))
    try:
        with pytest.raises(OSError):
            journal.append(bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    journal.append(b"after")
    journal.close(remove=False)
    assert [record for _, record in found(tmp_path)] == [b"before", b"after"]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=12), st.integers(0, 800))
def test_whatever_is_cut_off_what_remains_is_a_beginning(tmp_path_factory, records, cut):
    folder = tmp_path_factory.mktemp("journals")
    owner, _ = left_behind(folder, *records)
    (file,) = (folder / owner).glob("*.log")
    os.truncate(file, cut)
    kept = [record for _, record in DeadJournal(folder / owner, os.open(os.devnull, os.O_RDONLY)).records(0)]
    assert kept == records[: len(kept)]
    assert len(kept) == len(records) or sum(len(record) + 8 for record in records[: len(kept) + 1]) > cut
