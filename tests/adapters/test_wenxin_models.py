"""Which path serves a model of Baidu's legacy API."""

import pytest
from canalgate.adapters.wenxin.models import EVERYTHING, NAMES, Service, service_of

CHAT = "chat/completions"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("ERNIE-4.0-8K", "chat/completions_pro"),
        ("ernie-4.0-8k", "chat/completions_pro"),
        ("completions_pro", "chat/completions_pro"),
        ("ERNIE-Bot-4", "chat/completions_pro"),
        ("ERNIE-4.0-8K-Preview-0518", "chat/completions_adv_pro"),
        ("ERNIE-3.5-8K", "chat/completions"),
        ("ERNIE-Bot", "chat/completions"),
        ("ERNIE-3.5-128K", "chat/ernie-3.5-128k"),
        ("ERNIE-3.5-4K-0205", "chat/ernie-3.5-4k-0205"),
        ("ERNIE-Speed-8K", "chat/ernie_speed"),
        ("ERNIE Speed", "chat/ernie_speed"),
        ("ERNIE-Speed-128K", "chat/ernie-speed-128k"),
        ("ERNIE Speed-AppBuilder", "chat/ai_apaas"),
        ("ERNIE-Lite-8K-0922", "chat/eb-instant"),
        ("ERNIE-Bot-turbo", "chat/eb-instant"),
        ("ERNIE-Lite-8K", "chat/ernie-lite-8k"),
        ("ERNIE-Lite-8K-0308", "chat/ernie-lite-8k"),
        ("ERNIE-Lite-AppBuilder-8K-0614", "chat/ai_apaas_lite"),
        ("ERNIE-Functions-8K", "chat/ernie-func-8k"),
        ("ERNIE-Character-Fiction-8K", "chat/ernie-char-fiction-8k"),
        ("ERNIE-Bot-8K", "chat/ernie_bot_8k"),
        ("BLOOMZ-7B", "chat/bloomz_7b1"),
        ("Mixtral-8x7B-Instruct", "chat/mixtral_8x7b_instruct"),
        ("Fuyu-8B", "image2text/fuyu_8b"),
        ("ERNIE-4.0-Turbo-128K", "chat/ernie-4.0-turbo-128k"),
        ("ERNIE-Tiny-128K-0929", "chat/ernie-tiny-128k-0929"),
        ("My Service", "chat/my-service"),
        ("q1w2_my_service", "chat/q1w2_my_service"),
        ("chat/My_Service", "chat/My_Service"),
        ("/plugin/my_plugin/", "plugin/my_plugin"),
        ("embedding-v1", "chat/embedding-v1"),
    ],
)
def test_a_chat_model_has_its_path(name, path):
    assert service_of(name, CHAT).path == path


@pytest.mark.parametrize(
    ("name", "endpoint", "path"),
    [
        ("Embedding-V1", "embeddings", "embeddings/embedding-v1"),
        ("bge-large-zh", "embeddings", "embeddings/bge_large_zh"),
        ("bge_large_en", "embeddings", "embeddings/bge_large_en"),
        ("tao-8k", "embeddings", "embeddings/tao_8k"),
        ("mine", "embeddings", "embeddings/mine"),
        ("bce-reranker-base_v1", "rerank", "reranker/bce_reranker_base"),
        ("bce-reranker-base", "rerank", "reranker/bce_reranker_base"),
        ("Stable-Diffusion-XL", "images/generations", "text2image/sd_xl"),
        ("sd_xl", "images/generations", "text2image/sd_xl"),
        ("mine", "images/generations", "text2image/mine"),
    ],
)
def test_a_model_of_another_endpoint_has_its_path(name, endpoint, path):
    assert service_of(name, endpoint).path == path


@pytest.mark.parametrize(
    ("name", "takes", "max_output"),
    [
        ("ERNIE-4.0-8K", "FRMY", 2048),
        ("ERNIE-4.0-8K-Latest", "RMY", 2048),
        ("ERNIE-3.5-128K", "FCRMY", 4096),
        ("ernie-speed-128k", "TCMPY", 4096),
        ("ERNIE-Lite-8K-0922", "TCY", 2048),
        ("ERNIE-Lite-8K-0308", "MPY", 2048),
        ("Llama-2-7B-Chat", "TC", 2048),
        ("mine", EVERYTHING, None),
        ("chat/mine", EVERYTHING, None),
    ],
)
def test_what_a_service_takes_is_known_or_taken_to_be_everything(name, takes, max_output):
    service = service_of(name, CHAT)
    assert (set(service.takes), service.max_output) == (set(takes), max_output)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_in_the_table(name):
    found = {service_of(name, endpoint) for endpoint in (CHAT, "embeddings", "rerank", "images/generations")}
    assert [service for service in found if service.max_output is not None]


def test_no_two_models_share_a_path_unawares():
    paths = [service_of(name, CHAT).path for name in NAMES if service_of(name, CHAT).max_output]
    assert len(paths) == len(set(paths)) > 50


def test_a_service_without_a_table_entry_is_taken_to_take_everything():
    assert Service("chat/x") == Service("chat/x", EVERYTHING, None)
