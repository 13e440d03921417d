"""What hosts say is left of an account, in the shapes of their pages, to the last millionth or not at all."""

import pytest
from canalgate.adapters.openai import AnyHost, OpenAIAdapter
from canalgate.adapters.parts.balance import UNIT, BalanceCall, balances_in
from canalgate.adapters.presets import preset
from canalgate.adapters.presets.china import CHINESE_HOSTS
from canalgate.adapters.presets.hosts import HOSTS
from canalgate.plugins import Balance, Channel, Credential, ErrorKind, UpstreamError, UpstreamResponse

ADAPTERS = {one.name: preset.PresetAdapter(one) for one in (*HOSTS, *CHINESE_HOSTS)} | {"openai": AnyHost()}
NOW = 1_795_521_600.0  # 2026-11-24

SHAPES = [
    # adapter, base URL, paths asked, bodies, what is left
    ("deepseek", "", ["https://api.deepseek.com/user/balance"],
     [b'{"is_available":true,"balance_infos":[{"currency":"CNY","total_balance":"110.00",'
      b'"granted_balance":"10.00","topped_up_balance":"100.00"}]}'], {"CNY": 110 * UNIT}),
    ("deepseek", "https://api.deepseek.com/v1", ["https://api.deepseek.com/user/balance"],
     [b'{"balance_infos":[{"currency":"USD","total_balance":"0.10"},'
      b'{"currency":"CNY","total_balance":"-0.07"}]}'], {"CNY": -70_000, "USD": 100_000}),
    ("siliconflow", "", ["https://api.siliconflow.cn/v1/user/info"],
     [b'{"code":20000,"message":"OK","status":true,"data":{"id":"u","balance":"0.88",'
      b'"chargeBalance":"88.00","totalBalance":"88.88"}}'], {"CNY": 88_880_000}),
    ("siliconflow", "https://api.siliconflow.com/v1", ["https://api.siliconflow.com/v1/user/info"],
     [b'{"data":{"totalBalance":"1"}}'], {"USD": UNIT}),
    ("moonshot", "", ["https://api.moonshot.cn/v1/users/me/balance"],
     [b'{"code":0,"data":{"available_balance":49.58894,"voucher_balance":46.58893,"cash_balance":3.00001},'
      b'"scode":"0x0","status":true}'], {"CNY": 49_588_940}),
    ("moonshot", "https://api.moonshot.ai/v1", ["https://api.moonshot.ai/v1/users/me/balance"],
     [b'{"data":{"available_balance":-1e-1}}'], {"USD": -100_000}),
    ("stepfun", "", ["https://api.stepfun.com/v1/accounts"],
     [b'{"object":"account","type":"prepaid","balance":12.345678}'], {"CNY": 12_345_678}),
    ("ppio", "", ["https://api.ppinfra.com/v3/user"], [b'{"credit_balance":15000}'], {"CNY": 1_500_000}),
    ("novita", "", ["https://api.novita.ai/openapi/v1/billing/balance/detail"],
     [b'{"availableBalance":"1000001","cashBalance":"800000"}'], {"USD": 100_000_100}),
    ("openrouter", "", ["https://openrouter.ai/api/v1/credits"],
     [b'{"data":{"total_credits":100.5,"total_usage":25.75000009}}'], {"USD": 74_749_999}),
    ("openai", "https://gate.example/v1",
     ["https://gate.example/v1/dashboard/billing/subscription",
      "https://gate.example/v1/dashboard/billing/usage?start_date=2026-08-17&end_date=2026-11-25"],
     [b'{"object":"billing_subscription","hard_limit_usd":12.5}', b'{"object":"list","total_usage":1250.5}'],
     {"USD": -5_000}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "base", "urls", "bodies", "left"), SHAPES)
def test_a_host_is_asked_and_understood(name, base, urls, bodies, left):
    adapter, channel = ADAPTERS[name], Channel(1, "c", base, "sk-k")
    requests = adapter.balance_requests(channel, Credential("sk-k"), NOW)
    assert [request.url for request in requests] == urls
    assert {request.method for request in requests} == {"GET"}
    assert {request.headers["authorization"] for request in requests} == {"Bearer sk-k"}
    found = adapter.balances(channel, tuple(UpstreamResponse(200, {}, body) for body in bodies))
    assert found == tuple(Balance(currency, micros) for currency, micros in sorted(left.items()))


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name not in {shape[0] for shape in SHAPES}])
def test_a_host_without_such_a_call_is_not_asked(name):
    adapter = ADAPTERS[name]
    assert not adapter.has_balance
    assert adapter.balance_requests(Channel(1, "c", "", "k"), Credential("k"), NOW) == ()


def test_only_hosts_of_which_nothing_is_known_are_asked_as_one_api_is():
    assert (OpenAIAdapter().has_balance, AnyHost().has_balance) == (False, True)


PLAIN = BalanceCall(("x",), {"data.left": UNIT})
ROWS = BalanceCall(("x",), {"left": UNIT}, rows="rows")

SUMS = [
    (b"12", 12_000_000),
    (b"0.1", 100_000),
    (b'"0.1"', 100_000),
    (b"0.0000019", 1),  # never more than is there
    (b"-0.0000001", -1),
    (b"-3", -3_000_000),
    (b"1e-7", 0),
    (b"0.1234567890123456789012345678901234567890", 123_456),
    (b"999999999999.999999", 999_999_999_999_999_999),
    (b'" 5 "', 5_000_000),
]


@pytest.mark.parametrize(("text", "micros"), SUMS)
def test_sums_are_exact_and_rounded_down(text, micros):
    (found,) = balances_in(PLAIN, "h", [b'{"data":{"left":%b}}' % text])
    assert found == Balance("USD", micros)


NONSENSE = [
    b"", b"null", b"[]", b"12", b"<html>hello</html>", b"\xff\xfe", b'{"data":', b"{}", b'{"data":null}',
    b'{"data":{}}', b'{"data":[1]}', b'{"data":{"left":null}}', b'{"data":{"left":true}}',
    b'{"data":{"left":[1]}}', b'{"data":{"left":""}}', b'{"data":{"left":"much"}}',
    b'{"data":{"left":NaN}}', b'{"data":{"left":"NaN"}}', b'{"data":{"left":Infinity}}',
    b'{"data":{"left":"-inf"}}', b'{"data":{"left":"sNaN"}}', b'{"data":{"left":1e999999999}}',
    b'{"data":{"left":"1e99999999999999999999"}}', b'{"data":{"left":1000000000000}}',
    b'{"data":{"left":%b}}' % (b"9" * 50_000), b"[" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: body[:30].decode("latin-1"))
def test_an_answer_that_does_not_say_it_is_a_failure(body):
    with pytest.raises(UpstreamError, match="does not say what is left of the account") as caught:
        balances_in(PLAIN, "h", [body])
    assert caught.value.kind is ErrorKind.FAULT


@pytest.mark.parametrize(
    "rows", ["[]", "{}", "1", "[1]", '[{"left":1}]', '[{"currency":"yuan","left":1}]', '[{"currency":"CNY"}]']
)
def test_rows_that_say_nothing_are_a_failure(rows):
    with pytest.raises(UpstreamError):
        balances_in(ROWS, "h", [b'{"rows":%b}' % rows.encode()])


def test_an_error_under_200_is_told():
    body = b'{"error":{"message":"the account is closed"}}'
    with pytest.raises(UpstreamError, match="left of the account: the account is closed"):
        balances_in(PLAIN, "h", [body])


def test_half_of_what_has_to_be_asked_is_not_enough():
    adapter, channel = ADAPTERS["openai"], Channel(1, "c", "https://h/v1", "k")
    with pytest.raises(UpstreamError):
        adapter.balances(channel, (UpstreamResponse(200, {}, b'{"hard_limit_usd":5}'),))
