"""Log lines as JSON: one object a line, with what was given beside the text, and a traceback as text."""

import json
import logging

from canalgate.proxy.config import Log
from canalgate.proxy.logs import logging_to_stderr


def test_a_line_is_an_object_with_its_fields_and_its_traceback(capsys):
    log = logging.getLogger("canalgate.test")
    with logging_to_stderr(Log(level="info", format="json")):
        log.info('a "text" of %d\nlines', 2, extra={"channel": 7, "path": {"odd"}})
        try:
            raise ValueError("out of order")
        except ValueError:
            log.exception("it failed name=%s", "x")
        log.debug("not shown")
    plain, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert list(plain) == ["time", "level", "logger", "message", "channel", "path"]
    assert (plain["level"], plain["logger"], plain["message"]) == (
        "INFO", "canalgate.test", 'a "text" of 2\nlines'
    )  # fmt: skip
    assert (plain["channel"], plain["path"]) == (7, "{'odd'}")
    assert list(failed) == ["time", "level", "logger", "message", "exc_info"]
    assert (failed["level"], failed["message"]) == ("ERROR", "it failed name=x")
    assert failed["exc_info"].startswith("Traceback") and failed["exc_info"].endswith(
        "ValueError: out of order"
    )
