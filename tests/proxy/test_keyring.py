"""Keys as they are written."""

import pytest
from canalgate.proxy.keys.keyring import hash_key_of, parse

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32

GOOD = [
    # text, keys, whether the last is only a coming one, key of hashes
    (A, [A], False, hash_key_of(bytes.fromhex(A))),
    (f"{A}\n", [A], False, hash_key_of(bytes.fromhex(A))),
    (A.upper(), [A], False, hash_key_of(bytes.fromhex(A))),
    (f"{A} {B}", [A, B], False, hash_key_of(bytes.fromhex(A))),
    (f"{A},{B}, {C}", [A, B, C], False, hash_key_of(bytes.fromhex(A))),
    (f"{A}\r\nnext:{B}\r\n", [A, B], True, hash_key_of(bytes.fromhex(A))),
    (f"hash:{C} {B}", [B], False, bytes.fromhex(C)),
    (f"hash:{C},{A},next:{B}", [A, B], True, bytes.fromhex(C)),
]


@pytest.mark.parametrize(("text", "keys", "is_next", "hash_key"), GOOD)
def test_keys_are_read_and_written_again(text, keys, is_next, hash_key):
    ring = parse(text)
    assert [key.hex() for key in ring.keys] == keys
    assert (ring.last_is_next, ring.hash_key) == (is_next, hash_key)
    assert parse(ring.written()) == ring


BAD = ["", " ", "short", A[:-1], f"{A}0", f"{A}{B}", f"next:{A}", f"hash:{A}", f"{A} next:{B} {C}",
       f"{A} next:{B} next:{C}", f"hash:{A} hash:{B} {C}", f"{A} {A}", f"new:{A}", f"{A} #{B}", f"{A};{B}",
       f"{A} short", "zz" * 32, "é" * 64]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_makes_no_sense_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert A not in str(caught.value)


def test_a_ring_does_not_show_its_keys():
    assert not [word for word in (A, B) if word in repr(parse(f"{A} {B}")) or word[:20] in repr(parse(A))]


def test_a_new_key_is_added_behind_and_hashes_stay():
    ring = parse(A).with_new(is_next=True)
    assert (ring.hash_key, ring.keys[0].hex(), ring.last_is_next) == (parse(A).hash_key, A, True)
    assert ring.begun().newest_only().hash_key == parse(A).hash_key
    assert parse(ring.begun().newest_only().written()).keys == ring.keys[1:]
