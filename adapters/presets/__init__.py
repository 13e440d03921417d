"""OpenAI-compatible hosts and servers as data: a row each, and one class for all of them."""

from ...plugins import hookimpl
from .china import CHINESE_HOSTS
from .hosts import HOSTS
from .preset import Preset, PresetAdapter
from .servers import SERVERS


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    for preset in (*HOSTS, *CHINESE_HOSTS, *SERVERS):
        register(PresetAdapter(preset))


__all__ = ["Preset", "PresetAdapter"]
