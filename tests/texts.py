"""Texts of many kinds, composed for the tests of counting: what people and programs send to models."""

import base64
import json
import random

_rng = random.Random(5)
_WORDS = ["amber", "brook", "candle", "drift", "ember", "fjord", "glade", "harbor", "island", "juniper"]

ENGLISH = """The harbour wakes before the town does. By five the first boats have already come back, and
the gulls follow them in a long white argument that nobody wins. An old woman sells coffee from a hatch in
the wall; she has never written down a price, and nobody has ever paid the wrong one. On Thursdays the ferry
brings letters, two or three parcels, and once, in the spring of a year that people still mention, a piano.
"It will not stay in tune," said the captain. It did not, but it was played every evening all the same."""

ENGLISH_TECHNICAL = """A reservation holds an upper estimate of what a request may cost. Once the answer has
ended, the reservation is settled: the difference between the estimate and the measured usage returns to the
account. Idempotency matters here, because a retransmitted acknowledgement must not be charged twice.
Throughput depends on batching: thirty-two records per transaction amortise the synchronisation, whereas
single-record commits saturate the device at roughly four hundred operations per second."""

CHINESE = """清晨的港口比小镇醒得更早。五点钟，第一批渔船已经回来了，海鸥跟在后面，吵吵闹闹，谁也不肯认输。
墙上的小窗口里，一位老奶奶在卖咖啡；她从来没有写过价钱，也从来没有人付错过钱。每到星期四，渡轮会带来信件和几个包裹，
有一年春天还带来了一架钢琴。船长说：“它的音不会准的。”果然不准，可是每天晚上还是有人弹。
大语言模型的计费通常按照词元数量计算，输入与输出的单价不同，缓存命中的部分可以享受折扣。"""

CHINESE_MIXED = """请帮我把下面这段 Python 代码改成异步的：先用 aiohttp 建立
ClientSession，然后并发请求 20 个 URL，超时时间设为 30 秒。
如果返回 429，就等待 Retry-After 里给出的秒数再重试，最多 3 次。结果写进 result.json，
字段包括 url、status、latency_ms。谢谢！"""

JAPANESE = """港は町より先に目を覚ます。五時には最初の船がもう戻っていて、カモメがにぎやかについてくる。
壁の小窓でコーヒーを売るおばあさんは、値段を書いたことが一度もない。それでも間違える人はいない。"""

KOREAN = """항구는 마을보다 먼저 깨어난다. 다섯 시가 되면 첫 배가 벌써 돌아와 있고 갈매기들이 시끄럽게
따라온다. 벽에 난 작은 창에서 커피를 파는 할머니는 값을 적어 둔 적이 없지만 잘못 내는 사람도 없다."""

RUSSIAN = """Гавань просыпается раньше города. К пяти часам первые лодки уже вернулись, и чайки
тянутся за ними длинным белым спором, в котором никто не побеждает.
Старая женщина продаёт кофе из окошка в стене."""

GERMAN = """Der Hafen erwacht vor der Stadt. Um fünf sind die ersten Boote schon zurück, und die Möwen folgen
ihnen in einem langen weißen Streit, den niemand gewinnt. Donnerstags bringt die Fähre Briefe und Pakete, und
einmal, in einem Frühling, von dem man noch heute spricht, brachte sie ein Klavier mit."""

PYTHON = '''class LeaseBook:
    """Reservations inside a lease; nothing here waits."""

    def __init__(self, account: str, balance: int = 0) -> None:
        self._account = account
        self._balance = balance
        self._reserved: dict[str, int] = {}

    def reserve(self, request_id: str, amount: int) -> bool:
        if amount < 0 or request_id in self._reserved:
            raise ValueError(f"cannot reserve {amount!r} for {request_id}")
        if sum(self._reserved.values()) + amount > self._balance:
            return False
        self._reserved[request_id] = amount
        return True

    def settle(self, request_id: str, cost: int) -> int:
        reserved = self._reserved.pop(request_id, 0)
        charged = min(cost, self._balance)
        self._balance -= charged
        return reserved - charged
'''

JAVASCRIPT = """export async function fetchPage(url, { retries = 3, timeoutMs = 5000 } = {}) {
  for (let attempt = 0; attempt <= retries; attempt++) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    try {
      const response = await fetch(url, { signal: controller.signal });
      if (response.ok) return await response.json();
      if (response.status !== 429) throw new Error(`HTTP ${response.status}`);
    } finally {
      clearTimeout(timer);
    }
  }
  return null;
}
"""

JSON = json.dumps(
    [
        {"id": 1000 + n, "name": f"{_WORDS[n]} {_WORDS[-n]}", "price": n * 1.25, "tags": _WORDS[n : n + 3]}
        for n in range(10)
    ]
)

TOOL_SCHEMA = json.dumps(
    {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "The city, e.g. San Francisco"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["location"],
            },
        },
    },
    separators=(",", ":"),
)

DIGITS = " ".join(str(_rng.randrange(10 ** (n % 12 + 1))) for n in range(120))
TABLE = "\n".join(
    f"| 2026-11-{day:02d} | {_rng.random() * 1000:9.2f} | {_rng.randrange(10000):5d} | ok |"
    for day in range(1, 29)
)
EMOJI = "Great job! 🎉🎉 See you at the beach 🏖️🌞, bring 🍕 and 🥤. Love it ❤️👍🏽 😂😂😂 #summer 🚀✨"
MARKDOWN = """# Release notes

## Added

- **Prices** as data: `prices.toml`, see [the guide](https://example.com/guide#prices).
- Usage of *images* and *audio*.

```sh
canalgate serve --port 3000
curl -s http://localhost:3000/v1/models | jq '.data[].id'
```

1. Stop the gateway.
2. Copy `data/` away.
"""
SQL = """SELECT u.id, u.name, SUM(r.cost) AS total
FROM users AS u
LEFT JOIN requests AS r ON r.user_id = u.id AND r.created_at >= '2026-11-01 00:00:00'
WHERE u.status = 'enabled' AND u.balance > 500000
GROUP BY u.id, u.name HAVING SUM(r.cost) > 0 ORDER BY total DESC LIMIT 50;
"""
LOG = "\n".join(
    f"2026-11-24T12:{n:02d}:07.{_rng.randrange(1000):03d}Z INFO canalgate.request request "
    f"request_id={_rng.getrandbits(64):016x} model=gpt-4o status=200 total_ms={_rng.randrange(9000)}"
    for n in range(12)
)
BASE64 = base64.b64encode(_rng.randbytes(900)).decode()
HEX = _rng.randbytes(400).hex()

NATURAL = {
    "english": ENGLISH,
    "english technical": ENGLISH_TECHNICAL,
    "chinese": CHINESE,
    "chinese with english": CHINESE_MIXED,
    "japanese": JAPANESE,
    "korean": KOREAN,
    "russian": RUSSIAN,
    "german": GERMAN,
    "python": PYTHON,
    "javascript": JAVASCRIPT,
    "json": JSON,
    "tool schema": TOOL_SCHEMA,
    "digits": DIGITS,
    "table": TABLE,
    "emoji": EMOJI,
    "markdown": MARKDOWN,
    "sql": SQL,
    "log": LOG,
}
"""What people and programs write."""

DENSE = {"base64": BASE64, "hex": HEX}
"""What is data rather than text, and has the most tokens for its length."""
