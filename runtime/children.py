"""The environment of the trainer's processes that a service starts on its own machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What such a process needs besides its task, and further models; the service's own secrets are not among them
_PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|USER|LD_LIBRARY_PATH|VIRTUAL_ENV|PYTHONPATH|PYTHONUNBUFFERED|SSL_CERT_(FILE|DIR)"
    r"|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|CUDA_[A-Z_]+|NVIDIA_[A-Z_]+|AWS_[A-Z0-9_]+|TRIPTYCH_SUPERVISED_IN"
    r"|OTEL_[A-Z_]+|MODELS_PATH|MODEL_LAYERS_DIR|PIP_[A-Z_]+|XDG_CACHE_HOME"
)
# Of AWS' variables those that say where and how, and not as whom
_AWS_PLACE = re.compile(r"AWS_(DEFAULT_REGION|REGION|ENDPOINT_URL(_[A-Z0-9_]+)?|CA_BUNDLE)")


def passed_on(environ: Mapping[str, str], *, aws_access: bool = True) -> dict[str, str]:
    """Pick the service's variables that its processes get too: paths, locale, proxies, devices, AWS.

    Args:
        environ: The service's environment.
        aws_access: Whether they get the service's own access to AWS, and not only where it is.
    """
    return {
        name: value
        for name, value in environ.items()
        if _PASSED_ON.fullmatch(name)
        and (aws_access or not name.startswith("AWS_") or _AWS_PLACE.fullmatch(name))
    }
