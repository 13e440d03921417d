"""Every adapter understands the traffic composed from its provider's documented shapes, in every split.

A case is a folder of tests/wire as the recordings have them; `source` in its meta.json names the page.
"""

from pathlib import Path

import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance import SPLITS, cases, differences, replay

WIRE = Path(__file__).resolve().parents[1] / "wire"

ADAPTERS = {
    "cohere": "cohere",
    "coze": "coze",
    "dashscope-native": "dashscope",
    "dify": "dify",
    "ollama": "ollama-native",
    "tencent-hunyuan": "hunyuan-native",
}
"""The adapter of each folder."""

KNOWN = PluginManager(BUILTIN).adapters
CASES = list(cases(WIRE, ADAPTERS))


def test_there_are_cases_of_every_provider():
    assert {case.provider for case in CASES} == set(ADAPTERS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_a_composed_answer_is_understood(case, split):
    replayed = replay(KNOWN[ADAPTERS[case.provider]], case, split)
    assert differences(case, replayed) == []
