"""Networks of transformer encoders: which are read, by the transformers library, which is imported here alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainer.models.multimodal.backbones import import_torchvision
from trainer.models.multimodal.huggingface import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

# Others may be no encoders of text, or bring code of their own
ARCHITECTURES = (
    "albert",
    "bert",
    "camembert",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
# What a config may say that would have the library look for code elsewhere, or weights be other than they are
IGNORED = ("auto_map", "attn_implementation", "quantization_config", "dtype", "torch_dtype", "model_type")


def read_network(folder: Path, config: dict[str, Any]) -> nn.Module:
    """Make the network of a folder with its weights, without a layer for another task.

    Args:
        folder: Holds WEIGHTS.
        config: What CONFIG holds.

    Raises:
        ValueError: It is no network of ARCHITECTURES, or lacks weights; the library raises others.
    """
    network, said = _transformers().AutoModel.from_pretrained(
        folder,
        config=_config(config),
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    lacking = sorted(name for name in said["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise ValueError(f"{WEIGHTS} lacks {len(lacking)} arrays, e.g. {lacking[0]}")
    return _without_pooler(network)


def make_network(config: dict[str, Any]) -> nn.Module:
    """Make a network with random weights."""
    library = _transformers()
    return _without_pooler(
        library.AutoModel.from_config(_config(config), trust_remote_code=False, dtype=torch.float32)
    )


def _config(config: dict[str, Any]) -> Any:
    if config.get("model_type") not in ARCHITECTURES:
        raise ValueError(
            f"model_type {config.get('model_type')!r} in {CONFIG} is none of {', '.join(ARCHITECTURES)}"
        )
    plain = {n: value for n, value in config.items() if n not in IGNORED and not n.startswith("_")}
    return _transformers().AutoConfig.for_model(config["model_type"], **plain)


def _without_pooler(network: nn.Module) -> nn.Module:
    # a layer over the first token, for another task: not used here, and random where the file has none
    if hasattr(network, "pooler"):
        network.pooler = None  # type: ignore[assignment]
    return network


def places(network: nn.Module) -> int:
    """Give the most tokens that the network has positions for."""
    most: int = network.config.max_position_embeddings  # type: ignore[union-attr, assignment]
    for name, part in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            # RoBERTa and its kin begin to count after the number that means padding
            most = min(most, part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1))
    return most


def _transformers() -> ModuleType:
    import_torchvision()  # which the library imports, without the care it takes
    import transformers  # noqa: PLC0415 - seconds, and only for encoders

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    module: ModuleType = transformers
    return module
