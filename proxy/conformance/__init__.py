"""The conformance kit for adapters: recorded and composed traffic, replayed in every split, compared."""

from .cases import Case, Expected, cases, load
from .compare import differences
from .outcome import Choice, Outcome, ToolCall, read_json, read_stream
from .replay import Replayed, call_for, channel_for, replay
from .splits import SPLITS, Split, pieces

__all__ = [
    "SPLITS",
    "Case",
    "Choice",
    "Expected",
    "Outcome",
    "Replayed",
    "Split",
    "ToolCall",
    "call_for",
    "cases",
    "channel_for",
    "differences",
    "load",
    "pieces",
    "read_json",
    "read_stream",
    "replay",
]
