from __future__ import annotations

from runtime.children import passed_on


def test_a_run_gets_what_its_process_and_its_models_need_and_no_secret():
    needed = {
        "PATH": "/bin",
        "AWS_REGION": "x",
        "MODELS_PATH": "/m",
        "MODEL_LAYERS_DIR": "/l",
        "PIP_INDEX_URL": "u",
    }
    secret = {"CALLBACK_ROOT_SECRET": "s", "DATABASE_URL": "d", "REDIS_URL": "r", "PIPELINE": "p"}
    assert passed_on(needed | secret) == needed
