"""Signed thinking in messages, and the words for how much of it is wanted."""

import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.reasoning import EFFORTS, details_of, effort_of, sealed, signed
from canalgate.plugins import BodyError
from wired import call, chat


def test_what_is_written_is_read_again():
    details = [signed("hm", "sig", 0), sealed("enc", 1)]
    assert details_of({"role": "assistant", "reasoning_details": details}) == details


@pytest.mark.parametrize(
    "given",
    [
        None,
        "hm",
        [],
        ["hm"],
        [{"type": "reasoning.text", "text": "without a signature"}],
        [{"type": "reasoning.text", "text": "x", "signature": None}],
        [{"type": "reasoning.encrypted"}],
        [{"type": "reasoning.summary", "summary": "x"}],
    ],
)
def test_thinking_without_proof_is_not_sent_back(given):
    assert details_of({"reasoning_details": given}) == []


@pytest.mark.parametrize("effort", EFFORTS)
def test_an_effort_is_read(effort):
    assert effort_of(call(OpenAIAdapter(), chat(reasoning_effort=effort))) == effort


def test_no_effort_is_no_word():
    assert effort_of(call(OpenAIAdapter(), chat(reasoning_effort=None))) == ""


@pytest.mark.parametrize("effort", ["most", "", 3, ["low"]])
def test_an_unknown_effort_is_the_clients_fault(effort):
    with pytest.raises(BodyError) as caught:
        effort_of(call(OpenAIAdapter(), chat(reasoning_effort=effort)))
    assert caught.value.param == "reasoning_effort"
