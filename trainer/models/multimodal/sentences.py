"""A sentence encoder that is not trained, from a folder in the Hugging Face layout or from a job's artifacts."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainer.errors import DataError
from trainer.features.saved import below, prefixed
from trainer.models.multimodal.backbones import import_torchvision
from trainer.models.multimodal.batches import put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

LIBRARY, EXTRA = "transformers", "trainer-sentences"
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
NEEDED = (CONFIG, TOKENIZER, WEIGHTS)
# What the sentence-transformers library writes beside them: how long a text may be, how tokens become one vector
TOKENIZER_CONFIG, LENGTH, POOLING = (
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
FILES = (*NEEDED, TOKENIZER_CONFIG, LENGTH, POOLING)
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
MOST_TOKENS = 512  # attention's cost grows with the square
# A text is padded to the first of these that it fits into: a fifth of the tokens is padding, on lengths spread evenly
LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
TOKENS_AT_A_TIME = 1024
TOKENIZED_AT_A_TIME = 1024


class SentenceEncoder:
    """Turns texts into vectors of length sqrt(f), so that an entry is about as large as an image network's.

    A text's vector is the same bits in any company: what it is padded to and how many are looked at together depend on its own
    length alone.
    """

    def __init__(self, settings: dict[str, Any], tokenizer: str, network: nn.Module) -> None:
        """Put the parts together; ``load`` and ``from_saved`` are the ways to them.

        Args:
            settings: "name", "config" (the network's), "pooling" (mean or cls), "tokens" (most in a text).
            tokenizer: What tokenizer.json holds.
            network: The encoder.
        """
        self.name: str = settings["name"]
        self._settings = settings
        self._json = tokenizer
        self._tokenizer = _tokenizers().Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(settings["tokens"])
        self._network = network.eval()
        self._padding: int = settings["config"].get("pad_token_id") or 0
        self.features: int = network.config.hidden_size  # type: ignore[union-attr, assignment]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder that holds NEEDED, and perhaps others of FILES.

        Raises:
            DataError: It holds no encoder that can be used.
        """
        try:
            config = _read(folder / CONFIG)
            network = _pretrained(folder, config)
            pooling = _read(folder / POOLING)
            settings = {
                "name": folder.name,
                "config": config,
                "pooling": "cls" if pooling.get("pooling_mode_cls_token") else "mean",
                "tokens": min(
                    MOST_TOKENS,
                    _places(network),
                    _read(folder / LENGTH).get("max_seq_length") or MOST_TOKENS,
                    int(_read(folder / TOKENIZER_CONFIG).get("model_max_length") or MOST_TOKENS),
                ),
            }
            encoder = cls(settings, (folder / TOKENIZER).read_text(encoding="utf-8"), network)
            encoder._try_out()
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"PRETRAINED_URI: {folder.name} holds no sentence encoder that can be used: {reason}"
            ) from error
        return encoder

    @classmethod
    def from_saved(cls, settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the encoder again from what ``to_json`` and ``arrays`` gave.

        Raises:
            DataError: The library it needs is not installed.
        """
        if not is_installed():
            raise DataError(
                f"the model reads text by the sentence encoder {settings['name']}: install {what_to_install()}"
            )
        library = _transformers()
        network = _without_pooler(
            library.AutoModel.from_config(
                _config(settings["config"]), trust_remote_code=False, dtype=torch.float32
            )
        )
        weights = {
            name: torch.from_numpy(np.array(array)) for name, array in below("network", arrays).items()
        }
        network.load_state_dict(weights)
        return cls(settings, arrays["tokenizer"].tobytes().decode(), network)

    def to_json(self) -> dict[str, Any]:
        """Give the part of it that is no array."""
        return self._settings

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give its weights, and its tokenizer's JSON as bytes: it may be some megabytes."""
        state = {
            name: tensor.cpu().contiguous().numpy() for name, tensor in self._network.state_dict().items()
        }
        return prefixed("network", state) | {"tokenizer": np.frombuffer(self._json.encode(), np.uint8)}

    def digest(self) -> str:
        """Tell this encoder from all others, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(self._settings, sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def describe(
        self, texts: Sequence[str], device: torch.device
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Give vectors of texts, some at a time, short texts first.

        Yields:
            Positions of some texts, (n,), and their vectors, (n, f).
        """
        self._network.to(device)
        tokens = self._tokenize(texts)
        buckets = np.searchsorted(LENGTHS, [len(own) for own in tokens])
        for bucket, upper in enumerate(LENGTHS):
            length = min(upper, self._settings["tokens"])
            members, size = np.flatnonzero(buckets == bucket), max(1, TOKENS_AT_A_TIME // length)
            for start in range(0, len(members), size):
                # always as many, the last ones filled up; see the class
                some = members[np.arange(start, start + size) % len(members)]
                vectors = self._vectors([tokens[number] for number in some], length, device)
                left = min(size, len(members) - start)
                yield some[:left], vectors[:left]

    def _tokenize(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        tokens: list[NDArray[np.int32]] = []
        for start in range(0, len(texts), TOKENIZED_AT_A_TIME):
            some = list(texts[start : start + TOKENIZED_AT_A_TIME])
            # a text of no token at all is one of padding
            tokens += [
                np.array(encoding.ids or [self._padding], np.int32)
                for encoding in self._tokenizer.encode_batch_fast(some)
            ]
        return tokens

    def _vectors(
        self, tokens: Sequence[NDArray[np.int32]], length: int, device: torch.device
    ) -> NDArray[np.float32]:
        ids = np.full((len(tokens), length), self._padding, np.int64)
        mask = np.zeros((len(tokens), length), np.int64)
        for number, own in enumerate(tokens):
            ids[number, : len(own)] = own
            mask[number, : len(own)] = 1
        with torch.inference_mode():
            seen = put(mask, device)
            states = self._network(input_ids=put(ids, device), attention_mask=seen).last_hidden_state.float()
            if self._settings["pooling"] == "cls":
                pooled = states[:, 0]
            else:
                pooled = (states * seen.unsqueeze(2)).sum(dim=1) / seen.sum(dim=1, keepdim=True)
            vectors: NDArray[np.float32] = (
                (functional.normalize(pooled, dim=1) * self.features**0.5).cpu().numpy()
            )
        return vectors

    def _try_out(self) -> None:
        known, embedded = (
            self._tokenizer.get_vocab_size(),
            self._network.get_input_embeddings().num_embeddings,  # type: ignore[operator]
        )
        if known > embedded:  # on a GPU such a token would end the process
            raise ValueError(f"{TOKENIZER} knows {known} tokens, {WEIGHTS} {embedded}")
        longest = "a " * self._settings["tokens"]
        for _, vectors in self.describe(["a", longest], torch.device("cpu")):
            if not np.isfinite(vectors).all():
                raise ValueError("its vectors are no finite numbers")


def is_installed() -> bool:
    """Tell whether the library is there that makes encoders; it is not imported, which takes seconds."""
    return importlib.util.find_spec(LIBRARY) is not None


def what_to_install() -> str:
    """Name it for a person."""
    return f"the extra {EXTRA} (pip install 'triptych[{EXTRA}]')"


def _pretrained(folder: Path, config: dict[str, Any]) -> nn.Module:
    if config.get("model_type") not in ARCHITECTURES:
        raise ValueError(
            f"model_type {config.get('model_type')!r} in {CONFIG} is none of {', '.join(ARCHITECTURES)}"
        )
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


def _config(config: dict[str, Any]) -> Any:
    plain = {n: value for n, value in config.items() if n not in IGNORED and not n.startswith("_")}
    return _transformers().AutoConfig.for_model(config["model_type"], **plain)


def _without_pooler(network: nn.Module) -> nn.Module:
    # a layer over the first token, for another task: not used here, and random where the file has none
    if hasattr(network, "pooler"):
        network.pooler = None  # type: ignore[assignment]
    return network


def _places(network: nn.Module) -> int:
    """Give the most tokens that the network has positions for."""
    most: int = network.config.max_position_embeddings  # type: ignore[union-attr, assignment]
    for name, part in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            # RoBERTa and its kin begin to count after the number that means padding
            most = min(most, part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1))
    return most


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def _transformers() -> ModuleType:
    import_torchvision()  # which the library imports, without the care it takes
    import transformers  # noqa: PLC0415 - seconds, and only for encoders

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    module: ModuleType = transformers
    return module


def _tokenizers() -> ModuleType:
    import tokenizers  # noqa: PLC0415 - as above

    module: ModuleType = tokenizers
    return module
