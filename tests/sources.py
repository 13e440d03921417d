"""Databases of other gateways with their documented schemas and awkward rows, on each kind of server.

Types of columns are those their ORM makes: a `char` is padded by PostgreSQL, and here by hand elsewhere.
"""

import json
import sqlite3
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import databases

BCRYPT = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
FAR = 9_223_372_036_854_775_807

TYPES = {
    "sqlite": {
        "id": "INTEGER PRIMARY KEY",
        "int": "INTEGER",
        "bool": "NUMERIC",
        "text": "TEXT",
        "char": "TEXT",
        "float": "REAL",
        "time": "DATETIME",
        "key": "TEXT PRIMARY KEY",
    },
    "mysql": {
        "id": "BIGINT PRIMARY KEY",
        "int": "BIGINT",
        "bool": "BOOLEAN",
        "text": "LONGTEXT",
        "char": "CHAR(48)",
        "float": "DOUBLE",
        "time": "DATETIME(3)",
        "key": "VARCHAR(191) PRIMARY KEY",
    },
    "postgres": {
        "id": "BIGINT PRIMARY KEY",
        "int": "BIGINT",
        "bool": "BOOLEAN",
        "text": "TEXT",
        "char": "CHAR(48)",
        "float": "NUMERIC",
        "time": "TIMESTAMPTZ",
        "key": "TEXT PRIMARY KEY",
    },
}

ONE_API = {
    "users": "id:id username:text password:text display_name:text role:int status:int email:text"
    " github_id:text wechat_id:text lark_id:text oidc_id:text access_token:char quota:int"
    " used_quota:int request_count:int group:text aff_code:text inviter_id:int",
    "tokens": "id:id user_id:int key:char status:int name:text created_time:int accessed_time:int"
    " expired_time:int remain_quota:int unlimited_quota:bool used_quota:int models:text"
    " subnet:text",
    "channels": "id:id type:int key:text status:int name:text weight:int created_time:int test_time:int"
    " response_time:int base_url:text other:text balance:float balance_updated_time:int"
    " models:text group:text used_quota:int model_mapping:text priority:int config:text"
    " system_prompt:text",
    "abilities": "group:text model:text channel_id:int enabled:bool priority:int",
    "redemptions": "id:id user_id:int key:char status:int name:text quota:int created_time:int"
    " redeemed_time:int",
    "options": "key:key value:text",
    "logs": "id:id user_id:int created_at:int type:int content:text username:text token_name:text"
    " model_name:text quota:int prompt_tokens:int completion_tokens:int channel_id:int"
    " request_id:text elapsed_time:int is_stream:bool system_prompt_reset:bool",
}

NEW_API = {
    **ONE_API,
    "users": ONE_API["users"] + " deleted_at:time telegram_id:text aff_count:int",
    "tokens": "id:id user_id:int key:char status:int name:text created_time:int accessed_time:int"
    " expired_time:int remain_quota:int unlimited_quota:bool model_limits_enabled:bool"
    " model_limits:text allow_ips:text used_quota:int group:text deleted_at:time",
    "channels": "id:id type:int key:text openai_organization:text status:int name:text weight:int"
    " created_time:int base_url:text other:text models:text group:text used_quota:int"
    " model_mapping:text priority:int auto_ban:int setting:text param_override:text"
    " channel_info:text",
    "redemptions": ONE_API["redemptions"] + " expired_time:int used_user_id:int deleted_at:time",
    "logs": "id:id user_id:int created_at:int type:int content:text username:text token_name:text"
    " model_name:text quota:int prompt_tokens:int completion_tokens:int use_time:int"
    " is_stream:bool channel_id:int token_id:int group:text ip:text other:text",
}

AI_PROXY = {
    "groups": "id:key status:int rpm_ratio:float tpm_ratio:float used_amount:float request_count:int"
    " available_sets:text created_at:time",
    "tokens": "id:id key:char name:text group_id:text subnets:text models:text status:int used_amount:float"
    " request_count:int quota:float period_quota:float period_type:text created_at:time",
    "channels": "id:id type:int key:text name:text base_url:text models:text model_mapping:text status:int"
    " priority:int sets:text configs:text proxy_url:text created_at:time deleted_at:time",
    "model_configs": "model:key owner:text type:int rpm:int tpm:int input_price:float input_price_unit:int"
    " output_price:float output_price_unit:int cached_price:float cached_price_unit:int"
    " per_request_price:float conditional_prices:text",
    "logs": "id:id request_at:time created_at:time ttfb_milliseconds:int token_name:text endpoint:text"
    " content:text group_id:text model:text request_id:text token_id:int channel_id:int code:int"
    " mode:int ip:text retry_times:int input_tokens:int output_tokens:int cached_tokens:int"
    " used_amount:float",
}

LITELLM = {
    "LiteLLM_VerificationToken": "token:key key_name:text key_alias:text user_id:text spend:float",
    "LiteLLM_UserTable": "user_id:key user_email:text user_alias:text max_budget:float budget_duration:text"
    " spend:float user_role:text",
    "LiteLLM_ProxyModelTable": "model_name:text litellm_params:text",
}


def key(letter):
    """A key as One API makes them: 48 letters and digits."""
    return letter * 44 + "0000"


def one_api_rows(url):
    """Awkward rows of One API whose channel 1 is served at an address."""
    return {
        "users": [
            {
                "id": 1,
                "username": "root",
                "password": BCRYPT,
                "role": 100,
                "status": 1,
                "quota": 5 * 10**14,
                "group": "default",
                "email": "root@example.com",
            },
            {
                "id": 2,
                "username": "anna",
                "password": BCRYPT,
                "role": 1,
                "status": 1,
                "quota": 10_000_000,
                "used_quota": 500,
                "group": "vip",
            },
            {
                "id": 3,
                "username": "deleted_0123",
                "password": "",
                "role": 1,
                "status": 3,
                "quota": 9,
                "group": "",
            },
            {
                "id": 4,
                "username": "debtor",
                "password": "",
                "role": 10,
                "status": 1,
                "quota": -250,
                "group": None,
            },
            {
                "id": 5,
                "username": "off",
                "password": "",
                "role": 1,
                "status": 2,
                "quota": 7,
                "group": "default",
            },
        ],
        "tokens": [
            {
                "id": 1,
                "user_id": 1,
                "key": key("r"),
                "name": "root's",
                "unlimited_quota": True,
                "remain_quota": -1,
            },
            {"id": 2, "user_id": 2, "key": key("a") + "   ", "name": "all", "unlimited_quota": True},
            {
                "id": 3,
                "user_id": 2,
                "key": key("b"),
                "name": "some",
                "remain_quota": 7_000_000,
                "used_quota": 300,
                "models": "m1, m2,m1",
                "subnet": "127.0.0.0/8, 10.0.0.0/8",
            },
            {
                "id": 4,
                "user_id": 2,
                "key": key("c"),
                "name": "over",
                "unlimited_quota": True,
                "expired_time": 1_600_000_000,
                "status": 3,
            },
            {"id": 5, "user_id": 3, "key": key("d"), "name": "of a deleted user", "unlimited_quota": True},
            {"id": 6, "user_id": 99, "key": key("e"), "name": "of nobody", "unlimited_quota": True},
            {"id": 7, "user_id": 2, "key": key("f"), "name": "empty", "remain_quota": -40, "status": 4},
            {
                "id": 8,
                "user_id": 2,
                "key": key("g"),
                "name": "nowhere",
                "unlimited_quota": True,
                "subnet": "everywhere",
            },
            {"id": 9, "user_id": 2, "key": key("a") + " ", "name": "twice", "unlimited_quota": True},
            {
                "id": 10,
                "user_id": 2,
                "key": key("h"),
                "name": "huge",
                "remain_quota": FAR,
                "expired_time": FAR,
            },
            {"id": 11, "user_id": 5, "key": key("i"), "name": "of one who is off", "unlimited_quota": True},
            {
                "id": 12,
                "user_id": 2,
                "key": key("j"),
                "name": "switched off",
                "status": 2,
                "unlimited_quota": True,
            },
        ],
        "channels": [
            {
                "id": 1,
                "type": 1,
                "key": "sk-upstream-1",
                "name": "main",
                "base_url": url,
                "models": "m1,m2, m1",
                "group": "default, vip",
                "model_mapping": '{"m1": "up-m1"}',
                "priority": None,
                "weight": None,
            },
            {
                "id": 2,
                "type": 3,
                "key": "azure-secret",
                "name": "azure",
                "base_url": "https://a.openai.azure.com/",
                "models": "gpt-3.5-turbo",
                "other": "2024-03-01-preview",
                "group": "default",
            },
            {
                "id": 3,
                "type": 33,
                "key": "",
                "name": "aws",
                "models": "claude-3-haiku-20240307",
                "group": "vip",
                "config": json.dumps({"region": "eu-west-1", "ak": "AKIA1", "sk": "aws-secret"}),
            },
            {"id": 4, "type": 46, "key": "x", "name": "replicate", "models": "flux", "group": "default"},
            {"id": 5, "type": 99, "key": "x", "name": "of tomorrow", "models": "m9", "group": "default"},
            {
                "id": 6,
                "type": 1,
                "key": "sk-6",
                "name": "broken",
                "models": "m3",
                "group": "default",
                "model_mapping": "{oops",
                "status": 3,
                "config": "nothing",
            },
            {
                "id": 7,
                "type": 1,
                "key": "sk-7a\nsk-7b\n\n",
                "name": "two keys",
                "base_url": url + "/v1/",
                "models": "m4",
                "group": "default",
                "priority": 5,
            },
            {"id": 8, "type": 43, "key": "x", "name": "proxy", "models": "", "group": "default"},
            {
                "id": 9,
                "type": 42,
                "key": "",
                "name": "vertex",
                "models": "gemini-pro",
                "group": "default",
                "config": '{"vertex_ai_adc": "{}"}',
                "system_prompt": "Be brief.",
            },
        ],
        "redemptions": [
            {"id": 1, "user_id": 1, "key": "c" * 32 + "  ", "status": 1, "name": "gift", "quota": 4000},
            {
                "id": 2,
                "user_id": 1,
                "key": "d" * 32,
                "status": 3,
                "name": "gift",
                "quota": 100,
                "redeemed_time": 1_700_000_000,
            },
            {"id": 3, "user_id": 1, "key": "e" * 32, "status": 1, "name": "nothing", "quota": 0},
        ],
        "options": [
            {
                "key": "ModelRatio",
                "value": json.dumps(
                    {"m1": 0.5, "m2": 15, "openrouter/auto": -500000, "llama3-8b-8192(33)": 0.15}
                ),
            },
            {"key": "CompletionRatio", "value": '{"m1": 4}'},
            {"key": "GroupRatio", "value": '{"default": 1, "vip": 0.8}'},
            {"key": "SMTPToken", "value": "smtp-secret"},
        ],
        "logs": [
            {"id": 1, "user_id": 2, "created_at": 1_760_000_000, "type": 1, "content": "topped up"},
            {
                "id": 2,
                "user_id": 2,
                "created_at": 1_760_000_100,
                "type": 2,
                "token_name": "some",
                "model_name": "m1",
                "quota": 12,
                "prompt_tokens": 5,
                "completion_tokens": 7,
                "channel_id": 1,
                "elapsed_time": 1500,
                "is_stream": True,
            },
            {
                "id": 3,
                "user_id": 0,
                "created_at": 1_760_000_200,
                "type": 5,
                "model_name": "m1",
                "channel_id": 1,
            },
            {"id": 4, "user_id": 2, "created_at": None, "type": 2, "model_name": "m1", "quota": 3},
        ],
    }


def new_api_rows(url):
    """Awkward rows of New API."""
    at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    return {
        "users": [
            {
                "id": 7,
                "username": "bert",
                "password": BCRYPT,
                "role": 1,
                "status": 1,
                "quota": 900_000,
                "used_quota": 1,
                "group": "default",
            },
            {
                "id": 8,
                "username": "gone",
                "password": "",
                "role": 1,
                "status": 1,
                "quota": 5,
                "group": "default",
                "deleted_at": at,
            },
        ],
        "tokens": [
            {
                "id": 21,
                "user_id": 7,
                "key": key("k"),
                "name": "limited",
                "unlimited_quota": True,
                "model_limits_enabled": True,
                "model_limits": "m1,m5",
                "allow_ips": "127.0.0.1\n10.1.2.3",
            },
            {
                "id": 22,
                "user_id": 7,
                "key": key("l"),
                "name": "gone",
                "unlimited_quota": True,
                "deleted_at": at,
            },
            {
                "id": 23,
                "user_id": 7,
                "key": key("m"),
                "name": "listed",
                "unlimited_quota": True,
                "model_limits_enabled": False,
                "model_limits": "m9",
                "group": "svip",
            },
            {
                "id": 24,
                "user_id": 7,
                "key": key("n"),
                "name": "to nothing",
                "unlimited_quota": True,
                "model_limits_enabled": True,
                "model_limits": "",
            },
            {
                "id": 25,
                "user_id": 7,
                "key": key("o"),
                "name": "json",
                "unlimited_quota": True,
                "model_limits_enabled": True,
                "model_limits": '["m1", "m5"]',
            },
        ],
        "channels": [
            {
                "id": 31,
                "type": 1,
                "key": "sk-u",
                "status": 1,
                "name": "main",
                "base_url": url,
                "models": "m1,m5,m9",
                "group": "default",
                "weight": 3,
                "setting": '{"proxy": "http://127.0.0.1:9"}',
                "status_x": None,
            },
            {
                "id": 32,
                "type": 43,
                "key": "sk-deep",
                "status": 1,
                "name": "deep",
                "models": "deepseek-chat",
                "group": "default",
                "weight": 0,
                "param_override": '{"temperature": 0}',
            },
            {
                "id": 33,
                "type": 33,
                "key": "AKIA2|aws-secret-2|us-east-2",
                "status": 1,
                "name": "aws",
                "models": "claude-3-5-sonnet-20241022",
                "group": "default",
            },
            {
                "id": 34,
                "type": 36,
                "key": "x",
                "status": 1,
                "name": "songs",
                "models": "suno",
                "group": "default",
            },
            {
                "id": 35,
                "type": 26,
                "key": '["a.b", "c.d"]',
                "status": 1,
                "name": "zhipu",
                "models": "glm-4.5",
                "group": "default",
                "channel_info": '{"is_multi_key": true, "multi_key_status_list": {"0": 2}}',
            },
        ],
        "redemptions": [
            {"id": 1, "key": "f" * 32, "status": 1, "name": "n", "quota": 10, "expired_time": 0},
            {
                "id": 2,
                "key": "1" * 32,
                "status": 1,
                "name": "n",
                "quota": 10,
                "expired_time": 0,
                "deleted_at": at,
            },
        ],
        "options": [
            {"key": "ModelRatio", "value": '{"m1": 1, "claude-x": 1.5}'},
            {"key": "CacheRatio", "value": '{"m1": 0.1}'},
            {"key": "ModelPrice", "value": '{"mj_imagine": 0.1}'},
            {"key": "GroupRatio", "value": "not json"},
        ],
        "logs": [
            {
                "id": 5,
                "user_id": 7,
                "created_at": 1_760_000_000,
                "type": 2,
                "token_id": 21,
                "model_name": "m1",
                "quota": 9,
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "use_time": 3,
                "channel_id": 31,
            },
            {
                "id": 6,
                "user_id": 7,
                "created_at": 1_760_000_001,
                "type": 5,
                "token_id": 21,
                "model_name": "m1",
                "content": "upstream said no",
                "channel_id": 31,
            },
        ],
    }


def ai_proxy_rows(url):
    """Awkward rows of AI Proxy."""
    at = datetime(2025, 6, 1, tzinfo=UTC)
    return {
        "groups": [
            {"id": "ns-admin", "status": 1, "used_amount": 1.5, "available_sets": "[]", "created_at": at},
            {
                "id": "ns-both",
                "status": 3,
                "rpm_ratio": 2,
                "available_sets": '["default","fast"]',
                "created_at": at,
            },
            {"id": "ns-off", "status": 2, "available_sets": None, "created_at": at},
        ],
        "tokens": [
            {
                "id": 1,
                "key": key("p"),
                "name": "t1",
                "group_id": "ns-admin",
                "models": '["m1"]',
                "subnets": "[]",
                "status": 1,
                "used_amount": 0.25,
                "quota": 2,
                "period_quota": 3.5,
                "period_type": "daily",
                "created_at": at,
            },
            {
                "id": 2,
                "key": key("q"),
                "name": "t2",
                "group_id": "ns-both",
                "models": "null",
                "subnets": None,
                "status": 1,
                "period_quota": 1,
                "period_type": "weekly",
                "created_at": at,
            },
            {"id": 3, "key": key("s"), "name": "t3", "group_id": "ns-none", "status": 1, "created_at": at},
        ],
        "channels": [
            {
                "id": 1,
                "type": 1,
                "key": "sk-u",
                "name": "main",
                "base_url": f"{url}/v1",
                "models": '["m1","m2"]',
                "model_mapping": '{"m1":"up-m1"}',
                "status": 1,
                "priority": 0,
                "sets": "null",
                "created_at": at,
            },
            {
                "id": 2,
                "type": 1,
                "key": "sk-u",
                "name": "fast",
                "base_url": f"{url}/v1",
                "models": '["m7"]',
                "model_mapping": "null",
                "status": 1,
                "priority": 20,
                "sets": '["fast"]',
                "created_at": at,
            },
            {
                "id": 3,
                "type": 33,
                "key": "ap-southeast-1|AKIA3|aws-secret-3",
                "name": "aws",
                "models": '["claude-3-haiku-20240307"]',
                "status": 1,
                "created_at": at,
            },
            {
                "id": 4,
                "type": 4,
                "key": "azure-key|2025-01-01",
                "name": "azure",
                "models": '["gpt-4.1"]',
                "base_url": "https://b.openai.azure.com",
                "status": 1,
                "created_at": at,
            },
            {
                "id": 5,
                "type": 46,
                "key": "x",
                "name": "doc2x",
                "models": '["pdf"]',
                "status": 1,
                "created_at": at,
            },
            {
                "id": 6,
                "type": 1,
                "key": "x",
                "name": "deleted",
                "models": '["m1"]',
                "status": 1,
                "created_at": at,
                "deleted_at": at,
            },
        ],
        "model_configs": [
            {
                "model": "m1",
                "type": 1,
                "rpm": 60,
                "input_price": 0.002,
                "output_price": 4,
                "output_price_unit": 1_000_000,
                "cached_price": 0.001,
            },
            {"model": "m2", "type": 1},
            {
                "model": "m7",
                "type": 1,
                "per_request_price": 0.01,
                "conditional_prices": '[{"condition": {"input_token_max": 100}, "price": {}}]',
            },
        ],
        "logs": [
            {
                "id": 1,
                "request_at": at,
                "created_at": datetime(2025, 6, 1, 0, 0, 2, tzinfo=UTC),
                "group_id": "ns-admin",
                "token_id": 1,
                "model": "m1",
                "channel_id": 1,
                "code": 200,
                "endpoint": "/v1/chat/completions",
                "input_tokens": 3,
                "output_tokens": 4,
                "cached_tokens": 1,
                "used_amount": 0.002,
                "ttfb_milliseconds": 300,
            },
            {
                "id": 2,
                "request_at": at,
                "created_at": at,
                "group_id": "ns-admin",
                "token_id": 1,
                "model": "m1",
                "channel_id": 1,
                "code": 429,
                "content": "slow down",
                "endpoint": "/v1/chat/completions",
            },
        ],
    }


def abilities_of(channels, types_without_models=(43,)):
    """The rows One API derives from its channels."""
    return [
        {
            "group": group.strip(),
            "model": model,
            "channel_id": row["id"],
            "enabled": row.get("status", 1) == 1,
        }
        for row in channels
        if row["type"] not in types_without_models
        for group in (row["group"] or "default").split(",")
        for model in dict.fromkeys(name.strip() for name in row["models"].split(","))
    ]


DEFAULTS = {"status": 1, "expired_time": -1}


def statements(kind, schema, rows):
    """The statements that make a database."""
    quote = "`" if kind == "mysql" else '"'
    for table, columns in schema.items():
        pairs = [column.split(":") for column in columns.split()]
        listed = ", ".join(f"{quote}{name}{quote} {TYPES[kind][type_]}" for name, type_ in pairs)
        yield f"CREATE TABLE {quote}{table}{quote} ({listed})"
        types = dict(pairs)
        for row in rows.get(table, ()):
            given = {**{name: value for name, value in DEFAULTS.items() if name in types}, **row}
            given = {name: value for name, value in given.items() if name in types}
            names = ", ".join(f"{quote}{name}{quote}" for name in given)
            values = ", ".join(literal(kind, types[name], value) for name, value in given.items())
            yield f"INSERT INTO {quote}{table}{quote} ({names}) VALUES ({values})"


def literal(kind, type_, value):
    if value is None:
        return "NULL"
    if type_ == "bool":
        return ("TRUE" if value else "FALSE") if kind == "postgres" else str(int(value))
    if isinstance(value, datetime):
        value = value.strftime("%Y-%m-%d %H:%M:%S" + ("" if kind == "mysql" else "+00:00"))
    if isinstance(value, str):
        value = value.replace("'", "''")
        return "'" + (value.replace("\\", "\\\\") if kind == "mysql" else value) + "'"
    return repr(value)


def fill_file(path, schema, rows):
    with sqlite3.connect(path) as connection:
        for statement in statements("sqlite", schema, rows):
            connection.execute(statement)
    connection.close()
    return str(path)


@asynccontextmanager
async def source(kind, servers, folder, schema, rows):
    """A database of another gateway; the address is as its own programs write it."""
    if kind == "sqlite":
        yield fill_file(folder / "source.db", schema, rows)
        return
    async with databases.empty(servers(kind)) as url:
        async with databases.administrator(url) as run:
            for statement in statements(kind, schema, rows):
                await run(statement)
        place = url.partition("://")[2]
        who, _, rest = place.rpartition("@")
        host, _, name = rest.partition("/")
        if kind == "mysql":
            yield f"{who}@tcp({host})/{name}?charset=utf8mb4&parseTime=True&loc=Local"
        else:
            yield f"postgres://{place}?sslmode=disable&TimeZone=Asia/Shanghai"
