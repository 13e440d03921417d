"""How channels fare: which may be asked now, and what each failure does to that.

Pure: the clock comes in, as seconds that never go back. Kept in memory for a channel, for a channel and a
model, and for a key and a model; what a restart forgets is learnt again within a few requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from math import inf
from typing import NamedTuple

from ...plugins import ErrorKind, UpstreamError
from .snapshot import UsableChannel

LONGEST_WAIT_S = 3600.0
"""The most that a provider's Retry-After is obeyed."""

_WINDOW_S = 30.0
_LONGEST_TRIP_S = 60.0
_LAST_RESORT_S = 4.0
_PROBE_EVERY_S = 1.0
_MODEL_S = 30.0
_LONGEST_MODEL_S = 600.0
_FORGET_S = 10.0
"""Half-life, about, of a slow answer in the latency of a channel."""


class Rest(Enum):
    """Why something is not asked for a while, which says when it may be asked if nothing else is left."""

    BRIEF = "busy"
    """Overloaded or limited, for a time nobody has said: asked at once if nothing else is left."""
    TRIPPED = "failing"
    """Failed again and again: one request a second may try after four seconds at the most."""
    TOLD = "limited"
    """The provider has said until when: not before."""


class Notice(NamedTuple):
    """What an operator may want to know. `what` is `cooling`, `back` or `key_refused`."""

    what: str
    model: str = ""
    for_s: float = 0.0


class Circuit:
    """Whether one thing may be asked: open for use, resting, or half-open, letting one a second through."""

    __slots__ = ("_bad", "_failures", "_good", "_probe_at", "_window_at", "began", "rest", "trips", "until")

    def __init__(self) -> None:
        self._failures = 0
        self._good = 0
        self._bad = 0
        self._window_at = 0.0
        self._probe_at = 0.0
        self.trips = 0
        self.began = 0.0
        self.until = 0.0
        self.rest = Rest.BRIEF

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to remember."""
        return not (self.trips or self._failures or self._bad)

    def wait(self, now: float, *, last_resort: bool = False) -> float:
        """Seconds until it may be asked, 0 for now."""
        until = self.until
        if last_resort and self.rest is Rest.BRIEF:
            return 0.0
        if self.rest is Rest.TRIPPED and self.trips:
            if last_resort:
                until = min(until, self.began + _LAST_RESORT_S)
            until = max(until, self._probe_at)
        return max(0.0, until - now)

    def enter(self, now: float) -> None:
        """It is asked: if it is half-open, nobody else may try for a second."""
        if self.trips and self.rest is Rest.TRIPPED:
            self._probe_at = now + _PROBE_EVERY_S

    def cool(self, now: float, seconds: float, rest: Rest) -> None:
        """Let it rest, unless it rests longer already."""
        self.trips += 1
        if now + seconds >= self.until:
            self.began, self.until, self.rest = now, now + seconds, rest

    def failed(self, now: float, eject_after: int) -> bool:
        """Count a failure; says whether it trips: after so many in a row, or when half of them fail."""
        if now - self._window_at > _WINDOW_S:
            self._window_at = now
            self._good //= 2
            self._bad //= 2
        self._failures += 1
        self._bad += 1
        is_bad = self._failures >= eject_after or (self._bad >= 2 * eject_after and self._bad >= self._good)
        if not (is_bad or (self.trips and self.rest is Rest.TRIPPED)):
            return False
        self.cool(now, min(_LONGEST_TRIP_S, 2.0 ** min(self.trips, 10)), Rest.TRIPPED)
        return True

    def succeeded(self, now: float) -> bool:
        """Count a success; says whether it ends a rest. What was asked before a rest does not end it."""
        self._good += 1
        if now < self.until:
            return False
        had_tripped = self.trips > 0 and self.rest is Rest.TRIPPED
        if self._good >= 10 * self._bad:
            self._good = self._bad = 0
        self._failures = self.trips = 0
        self.until = self._probe_at = 0.0
        if had_tripped:
            self._bad = 0
        return had_tripped


class ChannelHealth:
    """One channel: how many requests it serves now, how fast it is, and what rests of it."""

    __slots__ = ("_at", "busy", "circuits", "first_byte_s", "refused", "row", "turn")

    def __init__(self, row: object) -> None:
        self.row = row
        self.busy = 0
        self.turn = 0
        self.first_byte_s = 0.0
        """Peaks at once and falls slowly: see `timed`."""
        self._at = 0.0
        self.circuits: dict[tuple[str, str], Circuit] = {}
        """By key and model, both empty for the channel as a whole. What is sound is not kept."""
        self.refused: set[str] = set()
        """Keys that a provider has refused, until the snapshot leaves them out."""

    def timed(self, first_byte_s: float, now: float) -> None:
        """Take note of how long a first byte took: a slow one counts in full, a fast one bit by bit."""
        if first_byte_s >= self.first_byte_s:
            self.first_byte_s = first_byte_s
        else:
            share = min(1.0, (now - self._at) / _FORGET_S)
            self.first_byte_s += (first_byte_s - self.first_byte_s) * max(share, 0.05)
        self._at = now

    @property
    def load(self) -> float:
        """What one more request would have to wait, about."""
        return self.first_byte_s * (self.busy + 1)


class Health:
    """What is known of every channel."""

    def __init__(self, eject_after: int) -> None:
        self._eject_after = eject_after
        self._channels: dict[int, ChannelHealth] = {}

    def of(self, member: UsableChannel) -> ChannelHealth:
        """Return what is known of a channel."""
        found = self._channels.get(member.row.id)
        if found is None:
            found = self._channels[member.row.id] = ChannelHealth(member.row)
        return found

    def follow(self, members: Iterable[UsableChannel]) -> None:
        """Channels have changed: forget those that are gone, and what was wrong with edited ones."""
        left: dict[int, ChannelHealth] = {}
        for member in members:
            known = self._channels.get(member.row.id)
            if known is None:
                continue
            if known.row != member.row:
                known.circuits.clear()
            known.row = member.row
            known.refused.clear()
            left[member.row.id] = known
        self._channels = left

    def report(self, now: float) -> list[dict[str, object]]:
        """Return what rests, for people who ask from outside: channel, model, reason and seconds."""
        return [
            {"channel": number, "model": model, "reason": circuit.rest.value, "for_s": round(wait_s, 1)}
            for number, known in self._channels.items()
            for (_, model), circuit in known.circuits.items()
            if (wait_s := circuit.wait(now)) > 0
        ]

    # May it be asked?

    def wait(self, member: UsableChannel, model: str, now: float, *, last_resort: bool = False) -> float:
        """Seconds until a channel may be asked for a model, 0 for now, infinite for not at all."""
        known = self._channels.get(member.row.id)
        if known is None or not (known.circuits or known.refused):
            return 0.0
        longest = 0.0
        for name in (("", ""), ("", model)):
            circuit = known.circuits.get(name)
            if circuit is not None:
                longest = max(longest, circuit.wait(now, last_resort=last_resort))
        keys = (_key_wait(known, key.key, model, now, last_resort) for key in member.keys)
        return max(longest, min(keys, default=0.0))

    def is_limited(self, member: UsableChannel, model: str, now: float) -> bool:
        """Whether a provider's rate limit is what keeps a channel from being asked."""
        known = self.of(member)
        circuits = [known.circuits.get((key.key, model)) for key in member.keys]
        return all(one is not None and one.rest is Rest.TOLD and one.wait(now) > 0 for one in circuits)

    def why(self, member: UsableChannel, model: str, now: float) -> str:
        """Say what keeps a channel from being asked, empty for nothing."""
        known = self._channels.get(member.row.id)
        if known is None:
            return ""
        if known.refused.issuperset(key.key for key in member.keys):
            return "key refused"
        resting = [
            (circuit.wait(now), circuit.rest.value)
            for (_, of), circuit in known.circuits.items()
            if of in ("", model)
        ]
        wait_s, reason = max(resting, default=(0.0, ""))
        return f"{reason}, for another {wait_s:.0f} s" if wait_s > 0 else ""

    def keyed(self, member: UsableChannel, model: str, now: float, tried: Iterable[str]) -> UsableChannel:
        """Return the channel with the key whose turn it is: one not tried that does not rest, if any."""
        if len(member.keys) == 1:
            return member
        known, tried = self.of(member), set(tried)
        known.turn += 1
        turned = [member.keys[(known.turn + at) % len(member.keys)] for at in range(len(member.keys))]
        best = min(
            turned,
            key=lambda key: (key.key in tried, _key_wait(known, key.key, model, now, last_resort=True)),
        )
        return member.with_key(best)

    def has_other_key(self, member: UsableChannel, model: str, now: float, tried: Iterable[str]) -> bool:
        """Whether a channel has a key that was not tried and may be asked."""
        known, tried = self.of(member), set(tried)
        return any(
            key.key not in tried and not _key_wait(known, key.key, model, now, last_resort=False)
            for key in member.keys
        )

    # What came of it.

    def enter(self, member: UsableChannel, model: str, now: float) -> ChannelHealth:
        """A channel is asked. Every `enter` is followed by one `leave`."""
        known = self.of(member)
        known.busy += 1
        if known.circuits:
            for name in (("", ""), ("", model), (member.channel.key, model)):
                circuit = known.circuits.get(name)
                if circuit is not None:
                    circuit.enter(now)
        return known

    def succeeded(
        self, member: UsableChannel, model: str, first_byte_s: float | None, now: float
    ) -> list[Notice]:
        """A channel has answered well."""
        known = self.of(member)
        if first_byte_s is not None:
            known.timed(first_byte_s, now)
        if not known.circuits:
            return []
        notices = []
        for name in (("", ""), ("", model), (member.channel.key, model), (member.channel.key, "")):
            circuit = known.circuits.get(name)
            if circuit is not None:
                if circuit.succeeded(now):
                    notices.append(Notice("back", name[1]))
                if circuit.is_sound:
                    del known.circuits[name]
        return notices

    def failed(self, member: UsableChannel, model: str, error: UpstreamError, now: float) -> list[Notice]:
        """A channel has failed a request. A key that is refused is out until the snapshot says otherwise."""
        kind, key = error.kind, member.channel.key
        if kind is ErrorKind.REQUEST:
            return self.succeeded(member, model, None, now)
        if kind is ErrorKind.CREDENTIAL or (kind is ErrorKind.BALANCE and error.retry_after is None):
            known = self.of(member)
            is_known = key in known.refused  # of many requests under way each may be refused: told once
            known.refused.add(key)
            return [] if is_known else [Notice("key_refused", model)]
        if kind in (ErrorKind.RATE, ErrorKind.BALANCE):
            return self._limited(member, "" if kind is ErrorKind.BALANCE else model, error.retry_after, now)
        if kind is ErrorKind.MODEL:
            circuit = self._circuit(member, "", model)
            for_s = min(_LONGEST_MODEL_S, _MODEL_S * 2.0 ** min(circuit.trips, 10))
            circuit.cool(now, for_s, Rest.TRIPPED)
            return [Notice("cooling", model, for_s)] if circuit.trips == 1 else []
        return self._counted(member, model, kind, now)

    def _limited(
        self, member: UsableChannel, model: str, retry_after: float | None, now: float
    ) -> list[Notice]:
        circuit = self._circuit(member, member.channel.key, model)
        if retry_after is None or not 0 < retry_after < inf:
            circuit.cool(now, min(_LONGEST_TRIP_S, 2.0 ** min(circuit.trips, 10)), Rest.BRIEF)
        else:
            circuit.cool(now, min(LONGEST_WAIT_S, retry_after), Rest.TOLD)
        return []

    def _counted(self, member: UsableChannel, model: str, kind: ErrorKind, now: float) -> list[Notice]:
        notices = []
        for name in ("", model):
            circuit = self._circuit(member, "", name)
            if circuit.failed(now, self._eject_after) and circuit.trips == 1:
                notices.append(Notice("cooling", name, circuit.until - now))
            elif kind is ErrorKind.BUSY and name and not circuit.trips:
                circuit.cool(now, 1.0, Rest.BRIEF)
        return notices

    def _circuit(self, member: UsableChannel, key: str, model: str) -> Circuit:
        return self.of(member).circuits.setdefault((key, model), Circuit())


def _key_wait(known: ChannelHealth, key: str, model: str, now: float, last_resort: bool) -> float:
    """Seconds until a key may be used for a model, as far as the key is concerned."""
    if key in known.refused:
        return inf
    circuits = (known.circuits.get((key, model)), known.circuits.get((key, "")))
    return max((one.wait(now, last_resort=last_resort) for one in circuits if one is not None), default=0.0)
