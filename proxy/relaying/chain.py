"""An adapter's translator with the filters of plugins behind it, as one translator."""

from __future__ import annotations

from collections.abc import Sequence

from ...plugins import AnswerFilter, StreamTranslator


class Chain(StreamTranslator):
    """Feeds what comes out of each to the next. What nobody changes comes out as the object that went in.

    `content_type` is the provider's own, for a stream that is not translated.
    """

    def __init__(
        self, translator: StreamTranslator | None, filters: Sequence[AnswerFilter], content_type: str
    ) -> None:
        self._translator = translator
        self._filters = filters
        self.content_type = translator.content_type if translator is not None else content_type

    @property
    def usage(self) -> object:  # type: ignore[override]  # read only here: it is the translator's
        return self._translator.usage if self._translator is not None else None

    @property
    def needs_body(self) -> bool:  # type: ignore[override]  # read only here: what any of them needs
        translators = (self._translator, *self._filters)
        return any(one.needs_body for one in translators if one is not None)

    def feed(self, data: bytes) -> bytes:
        if self._translator is not None:
            data = self._translator.feed(data)
        return self._filtered(data) if data else data

    def close(self) -> bytes:
        rest = self._translator.close() if self._translator is not None else b""
        for one in self._filters:
            if rest:
                rest = one.feed(rest)
            rest += one.close()
        return rest

    def _filtered(self, data: bytes) -> bytes:
        for one in self._filters:
            data = one.feed(data)
            if not data:
                break
        return data
