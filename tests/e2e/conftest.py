"""Every test of the gateway runs on both lanes and demands the same of them."""

import pytest
import support


@pytest.fixture(params=["fast", "full"], scope="module", autouse=True)
def lane(request):
    """Which lane serves the requests."""
    support.fast_lane = request.param == "fast"
    yield request.param
    support.fast_lane = True
