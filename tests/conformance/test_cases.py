"""Recorded cases are read from their folders, and what is none is named."""

import orjson
import pytest
from canalgate.plugins import Usage
from canalgate.proxy.conformance import Choice, cases, load
from conformance import acme_cases

META = {
    "provider": "p", "case": "c", "api": "chat.completions", "status": 200, "stream": False, "model": "m",
    "body_form": "json", "response_file": "response.json",
    "response_headers": {"Content-Type": "application/json", "content-length": "3"},
}  # fmt: skip
EXPECTED = {
    "choices": [{"index": 0, "text": "a", "reasoning": "", "tool_calls": [], "finish_reason": "stop",
                 "native_finish_reason": "end"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303, "cached_tokens": None,
              "reasoning_tokens": 290, "total_mismatch": 290},
    "complete": True,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "meta.json").write_bytes(orjson.dumps(META))
    (tmp_path / "expected.json").write_bytes(orjson.dumps(EXPECTED))
    (tmp_path / "response.json").write_bytes(b"{}")
    return tmp_path


def test_a_case_has_its_answer_without_the_framing_it_came_in(folder):
    case = load(folder)
    assert (case.title, case.body, dict(case.headers)) == ("p/c", b"{}", {"content-type": "application/json"})


def test_reasoning_outside_of_the_completion_is_billed_and_not_shown(folder):
    expected = load(folder).expected
    assert expected.choices == (Choice(0, "a", "", (), "stop"),)
    assert expected.usage == Usage(12, 291, 0, 290)
    assert expected.shown_usage == Usage(12, 1, 0, 290)


def test_a_case_without_a_model_or_a_content_type_gets_them(folder):
    meta = {name: value for name, value in META.items() if name not in ("model", "response_headers")}
    (folder / "meta.json").write_bytes(orjson.dumps(meta))
    case = load(folder)
    assert (case.model, dict(case.headers)) == ("model", {"content-type": "application/json"})


@pytest.mark.parametrize(
    ("file", "content"),
    [("meta.json", b"{"), ("meta.json", b"{}"), ("meta.json", b"[]"), ("expected.json", b'{"choices":[{}]}')],
)
def test_a_folder_that_is_no_case_is_named(folder, file, content):
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=str(folder)):
        load(folder)


def test_a_case_without_its_answer_is_named(folder):
    (folder / "response.json").unlink()
    with pytest.raises(ValueError, match=r"FileNotFoundError.*response\.json"):
        load(folder)


def test_cases_are_found_at_any_depth_and_chosen_by_provider(tmp_path):
    acme_cases.write(tmp_path / "deep" / "er")
    names = [case.name for case in cases(tmp_path)]
    assert names == sorted(acme_cases.CASES)
    assert [case.name for case in cases(tmp_path, {"acme"})] == names
    assert list(cases(tmp_path, {"other"})) == []


@pytest.mark.parametrize(
    ("api", "endpoint"),
    [("messages", "chat/completions"), ("wenxin.embeddings", "embeddings"), ("responses", "responses")],
)
def test_a_case_knows_what_endpoint_its_client_called(folder, api, endpoint):
    (folder / "meta.json").write_bytes(orjson.dumps({**META, "api": api}))
    assert load(folder).endpoint == endpoint
