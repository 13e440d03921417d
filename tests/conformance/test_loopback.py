"""The part of the kit over a real socket, by itself."""

from canalgate.adapters.openai import OpenAIAdapter
from canalgate.proxy.conformance import cases, channel_for
from canalgate.proxy.conformance.loopback import section
from canalgate.proxy.conformance.subject import subject
from conformance import acme_cases
from conformance.acme import Acme


class HasAHostOfItsOwn(OpenAIAdapter):
    def url(self, call):
        return "https://elsewhere.invalid/v1/chat/completions"


class HasABadHeader(OpenAIAdapter):
    def auth(self, call):
        return {"authorization": "Bearer x\r\ny: z"}


async def found(adapter, recorded=()):
    return await section(subject(adapter, channel_for(adapter), recorded))


async def test_a_correct_adapter_passes_with_composed_traffic():
    made = await found(OpenAIAdapter())
    assert made.total > 8
    assert made.failures == ()


async def test_a_correct_adapter_passes_with_recorded_traffic(tmp_path):
    made = await found(Acme(), list(cases(acme_cases.write(tmp_path))))
    assert made.total > 8
    assert made.failures == ()


async def test_nothing_is_sent_to_another_host():
    made = await found(HasAHostOfItsOwn())
    assert made.passed == 0
    assert "not sent, it would have gone to another host" in made.failures[0]


async def test_a_header_that_cannot_be_sent_is_found():
    made = await found(HasABadHeader())
    assert made.passed == 0
    assert "raised ValueError" in made.failures[0]
