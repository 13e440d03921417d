"""What programs send to One API's management API, read strictly: each refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ...billing.money import MOST_QUOTA
from ...manage.refused import Refused

_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
_MOST_TEXT = 65_536


class Fields:
    """The fields of a JSON object. A field that is null counts as one that was not sent."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """Return a text without blanks around it."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or len(value) > _MOST_TEXT or "\0" in value:
            raise Refused(name, "expected a text")
        return value.strip()

    def secret(self, name: str) -> str:
        """Return a text as it is, blanks and all; empty where it was not sent."""
        value = self._values.get(name, "")
        if not isinstance(value, str) or len(value) > _MOST_TEXT:
            raise Refused(name, "expected a text")
        return value

    def shown(self, name: str) -> str:
        """Return a text, or what would stand in one: some programs send a number or true as it is."""
        value = self._values.get(name, "")
        return self.text(name) if isinstance(value, str) else orjson.dumps(value).decode()

    def whole(self, name: str, default: int = 0) -> int:
        """Return a whole number, which may stand in quotes."""
        value = self._values.get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if type(value) is not int or abs(value) > MOST_QUOTA:
            raise Refused(name, "expected a whole number")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return true or false."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise Refused(name, "expected true or false")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names of a text with commas, each once, in their order."""
        listed = (part.strip() for part in self.text(name).split(","))
        return tuple(dict.fromkeys(part for part in listed if part))

    def pairs(self, name: str) -> dict[str, str]:
        """Return the names and texts of a JSON object in a text; empty for an empty text."""
        text = self.text(name)
        try:
            found = orjson.loads(text or "{}")
        except orjson.JSONDecodeError:
            raise Refused(name, "expected the JSON of an object") from None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise Refused(name, "expected the JSON of an object of texts")
        return found


def fields_of(body: bytes) -> Fields:
    """Return the fields of a request's body. Raises Refused for what is no JSON object."""
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise Refused("body", "expected a JSON object")
    return Fields(values)
