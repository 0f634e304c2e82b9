"""One branch for each modality: from encoded columns to a code of fixed width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from trainer.models.multimodal.backbones import build_backbone

if TYPE_CHECKING:
    from trainer.models.multimodal.batches import Text
    from trainer.models.multimodal.presets import Architecture

TEXT_WIDTH = 48  # numbers that describe one n-gram; most of a model's weights are here


class Standardise(nn.Module):
    """Mean 0 and spread 1 of what ``fit`` was shown; what varied less than a hundredth there is left small."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))

    def fit(self, shown: torch.Tensor) -> None:
        """Learn from (n, features); from none, nothing."""
        if not len(shown):
            return
        self.mean = shown.mean(dim=0)
        self.spread = shown.std(dim=0, correction=0).clamp(min=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale (n, features)."""
        return (x - self.mean) / self.spread


class ImageBranch(nn.Module):
    """What all image columns share; a cell of several images is their mean, one without any has a learnt code."""

    def __init__(self, architecture: Architecture, fixed: int, columns: int, width: int) -> None:
        super().__init__()
        self.backbone: nn.Module | None = None
        features = 0
        if architecture.backbone != "none":
            self.backbone, features = build_backbone(architecture.backbone)
        self.standardise = Standardise(fixed) if fixed else None
        self.compress = nn.Sequential(nn.Dropout(0.3), nn.Linear(fixed, width), nn.ReLU()) if fixed else None
        self.project = nn.Linear(features + (width if fixed else 0), width)
        self.missing = nn.Parameter(torch.zeros(columns, width))

    def forward(
        self, pixels: torch.Tensor, fixed: torch.Tensor, owners: torch.Tensor, rows: int
    ) -> torch.Tensor:
        """Map the images of n rows to (n, columns * width).

        Args:
            pixels: (images, 3, s, s) in -1..1.
            fixed: (images, f): features that are not trained.
            owners: See ``Batch``.
            rows: n.
        """
        parts = [self.backbone(pixels)] if self.backbone is not None else []
        if self.standardise is not None and self.compress is not None:
            parts.append(self.compress(self.standardise(fixed)))
        codes = functional.relu(self.project(torch.cat(parts, dim=1)))
        columns, width = self.missing.shape
        cells = rows * columns + 1  # the last one gathers images of no row
        sums = codes.new_zeros(cells, width).index_add(0, owners, codes)
        counts = codes.new_zeros(cells).index_add(0, owners, codes.new_ones(codes.shape[0]))
        means = (sums / counts.clamp(min=1).unsqueeze(1))[:-1].view(rows, columns, width)
        present = (counts > 0)[:-1].view(rows, columns, 1)
        return torch.where(present, means, self.missing.to(means.dtype)).flatten(1)


class TextBranch(nn.Module):
    """One text column: an embedding bag through a hidden layer, and beside it a linear vote of each n-gram.

    Where a frozen sentence encoder describes the texts, its vector joins the hidden layer's code. In training a share of each text's n-grams is left out, so that no single one is leaned on (Iyyer et al. 2015).
    """

    def __init__(self, features: int, width: int, classes: int, dropout: float, sentence: int) -> None:
        super().__init__()
        self._dropout = dropout
        features = max(1, features)  # a column without a word that comes twice has none
        self.embed = nn.EmbeddingBag(features, TEXT_WIDTH, mode="sum", include_last_offset=True)
        nn.init.normal_(self.embed.weight, std=0.1)
        self.vote = nn.EmbeddingBag(features, classes, mode="sum", include_last_offset=True)
        nn.init.zeros_(self.vote.weight)
        self.hidden = nn.Sequential(
            nn.LayerNorm(TEXT_WIDTH), nn.ReLU(), nn.Linear(TEXT_WIDTH, width), nn.ReLU()
        )
        self.missing = nn.Parameter(torch.zeros(width))
        # last, so that without an encoder everything above starts from the same random numbers
        self.standardise = Standardise(sentence) if sentence else None
        self.compress = (
            nn.Sequential(nn.Dropout(0.3), nn.Linear(sentence, width), nn.ReLU()) if sentence else None
        )
        self.join = nn.Linear(2 * width, width) if sentence else None

    def forward(self, text: Text) -> tuple[torch.Tensor, torch.Tensor]:
        """Map n texts to codes (n, width) and votes (n, classes)."""
        weights = functional.dropout(text.weights, self._dropout, self.training)
        code = self.hidden(self.embed(text.features, text.offsets, per_sample_weights=weights))
        if self.standardise is not None and self.compress is not None and self.join is not None:
            said = self.compress(self.standardise(text.sentence))
            code = functional.relu(self.join(torch.cat([code, said], dim=1)))
        code = torch.where(text.missing.unsqueeze(1), self.missing, code)
        return code, self.vote(text.features, text.offsets, per_sample_weights=weights)


class TabularBranch(nn.Module):
    """Real features and embedded category levels through two layers."""

    def __init__(self, reals: int, cardinalities: list[int], width: int, dropout: float) -> None:
        super().__init__()
        widths = [min(32, round(1.6 * levels**0.56)) for levels in cardinalities]
        self.levels = nn.ModuleList(
            nn.Embedding(levels, size) for levels, size in zip(cardinalities, widths, strict=True)
        )
        self.first = nn.Linear(reals + sum(widths), width)
        self.second = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, reals: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map reals (n, f) and codes (n, c) to (n, width)."""
        levels = [embedding(codes[:, number]) for number, embedding in enumerate(self.levels)]
        x = torch.cat([reals, *levels], dim=1)
        x = self.dropout(functional.relu(self.first(x)))
        return functional.relu(self.second(x))
