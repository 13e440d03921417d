"""The built-in adapters. A list rather than a directory scan, so that a frozen program finds them too."""

from . import azure, chatglm, demo, hosts, hosts_china, openai, qianfan, servers, wenxin, zhipu

BUILTIN = (openai, hosts, hosts_china, servers, azure, chatglm, qianfan, wenxin, zhipu, demo)
