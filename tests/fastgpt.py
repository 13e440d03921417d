"""FastGPT's calls to AI Proxy, as its server passes them on from a browser."""

import support

ADMIN = "sk-the-admin-key"
_BROWSER = (
    "Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: http://elsewhere/\r\nUser-Agent: Mozilla/5.0\r\n"
)


async def call(gateway, method, path, body=None, key=ADMIN):
    """Make a call and return the answer."""
    request = gateway.request(path, body, method, _BROWSER, key)
    return support.parse_answer(await gateway.raw(request))


async def done(gateway, method, path, body=None):
    """Make a call that must succeed; returns its data."""
    answer = await call(gateway, method, path, body)
    assert (answer.status, answer.json["success"]) == (200, True), answer.body
    assert "content-encoding" not in answer.headers
    return answer.json["data"]
