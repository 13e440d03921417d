"""The kit passes what is right and finds, in the right words, what is wrong."""

import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.proxy.conformance import kit
from canalgate.proxy.conformance.cases import cases
from canalgate.proxy.conformance.replay import channel_for
from canalgate.proxy.conformance.subject import subject
from conformance import acme_cases
from conformance.acme import Acme
from conformance.broken import BROKEN
from conformance.rewriter import Rewriter


@pytest.fixture(scope="module")
def acme(tmp_path_factory):
    """Acme's recorded cases."""
    return tuple(cases(acme_cases.write(tmp_path_factory.mktemp("cases"))))


def report(adapter, recorded):
    recorded = recorded if isinstance(adapter, Acme) else ()
    return kit.run(subject(adapter, channel_for(adapter), recorded))


@pytest.mark.parametrize("adapter", [OpenAIAdapter(), Rewriter(), Acme()], ids=lambda each: each.name)
def test_a_correct_adapter_passes_everything(adapter, acme):
    found = report(adapter, acme)
    assert [failure for section in found.sections for failure in section.failures] == []
    assert found.total > 200


@pytest.mark.parametrize("each", BROKEN, ids=lambda each: each.name)
def test_a_fault_is_found_and_named(each, acme):
    found = report(each.adapter, acme)
    section = next(section for section in found.sections if section.name == each.section)
    assert [failure for failure in section.failures if each.words in failure], section.failures
