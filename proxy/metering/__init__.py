"""What a request may use and what it has used: the provider's word made safe, else counted here.

`estimate` runs before the provider is asked, `provided` after the answer; both are quick. `measure` counts
where there is nothing to go by and belongs into a thread. A stream has a meter beside it for the case that
its end does not come. The tokenizers are loaded when they are first needed.
"""

from .estimate import DEFAULT_COMPLETION, estimate
from .measure import measure
from .report import Measured, Seen, Sent, provided
from .stream import EventCount, StreamMeter, TextCount

__all__ = [
    "DEFAULT_COMPLETION",
    "EventCount",
    "Measured",
    "Seen",
    "Sent",
    "StreamMeter",
    "TextCount",
    "estimate",
    "measure",
    "provided",
]
