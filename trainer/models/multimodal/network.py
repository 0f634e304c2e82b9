"""The network: a branch for each modality, fused late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from trainer.models.multimodal.batches import Batch, Shapes

LEVEL_WIDTH = 8  # numbers that describe one category level
TEXT_WIDTH = 48  # and one n-gram; most of a model's weights are here


class Residual(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016), halving height and width where stride is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = functional.relu(self.first_norm(self.first(x)), inplace=True)
        y = self.second_norm(self.second(y))
        shortcut: torch.Tensor = self.shortcut(x)
        return functional.relu(y + shortcut, inplace=True)


class ImageBranch(nn.Module):
    """A small residual network from scratch, shared by all image columns; a missing image has a learnt code."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        )
        self.stages = nn.Sequential(
            Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2), Residual(64, 128, 2)
        )
        self.project = nn.Linear(128, width)
        self.missing = nn.Parameter(torch.zeros(columns, width))
        self.columns = columns

    def forward(self, pixels: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map pixels (n * columns, 3, s, s) in -1..1 and presence (n, columns) to (n, columns * width)."""
        features = self.stages(self.stem(pixels)).mean(dim=(2, 3))
        codes = functional.relu(self.project(features)).view(*present.shape, -1)
        return torch.where(present.unsqueeze(-1), codes, self.missing).flatten(1)


class TextBranch(nn.Module):
    """One text column: an embedding bag through a hidden layer, and beside it a linear vote of each n-gram."""

    def __init__(self, features: int, width: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(features, TEXT_WIDTH, mode="sum", include_last_offset=True)
        nn.init.normal_(self.embed.weight, std=0.1)
        self.vote = nn.EmbeddingBag(features, classes, mode="sum", include_last_offset=True)
        nn.init.zeros_(self.vote.weight)
        self.hidden = nn.Sequential(
            nn.LayerNorm(TEXT_WIDTH), nn.ReLU(), nn.Linear(TEXT_WIDTH, width), nn.ReLU()
        )

    def forward(
        self, features: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map bags to (n, width) and to votes (n, classes)."""
        code = self.hidden(self.embed(features, offsets, per_sample_weights=weights))
        return code, self.vote(features, offsets, per_sample_weights=weights)


class TabularBranch(nn.Module):
    """Real features and embedded category levels through two layers."""

    def __init__(self, reals: int, cardinalities: list[int], width: int) -> None:
        super().__init__()
        first = (
            torch.tensor([0, *cardinalities[:-1]]).cumsum(0)
            if cardinalities
            else torch.zeros(0, dtype=torch.long)
        )
        self.register_buffer("first_level", first, persistent=False)
        self.levels = nn.Embedding(max(1, sum(cardinalities)), LEVEL_WIDTH)
        inputs = reals + LEVEL_WIDTH * len(cardinalities)
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.ReLU(),
        )

    def forward(self, reals: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map reals (n, f) and codes (n, c) to (n, width)."""
        first: torch.Tensor = self.first_level  # type: ignore[assignment]
        levels = self.levels(codes + first).flatten(1)
        features: torch.Tensor = self.layers(torch.cat([reals, levels], dim=1))
        return features


class Network(nn.Module):
    """The branches that the data calls for, and the head over them."""

    def __init__(
        self, shapes: Shapes, width: int, dropout: float, modality_dropout: float, classes: int
    ) -> None:
        super().__init__()
        self.image = ImageBranch(shapes.image_columns, width) if shapes.image_columns else None
        self.texts = nn.ModuleList(TextBranch(features, width, classes) for features in shapes.text_features)
        has_tabular = bool(shapes.reals or shapes.cardinalities)
        self.tabular = TabularBranch(shapes.reals, shapes.cardinalities, width) if has_tabular else None
        self.modality_dropout = modality_dropout
        branches = shapes.image_columns + len(shapes.text_features) + has_tabular
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(branches * width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, classes),
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Map a batch of n rows to logits (n, classes)."""
        modalities: list[torch.Tensor] = []
        votes: list[torch.Tensor] = []
        if self.image is not None:
            modalities.append(self.image(batch.pixels, batch.present))
        if self.texts:
            coded = [branch(*bag) for branch, bag in zip(self.texts, batch.texts, strict=True)]
            modalities.append(torch.cat([code for code, _ in coded], dim=1))
            votes += [vote for _, vote in coded]
        if self.tabular is not None:
            modalities.append(self.tabular(batch.reals, batch.codes))
        logits: torch.Tensor = self.head(torch.cat(self._thin(modalities), dim=1))
        return logits + sum(votes) if votes else logits

    def _thin(self, modalities: list[torch.Tensor]) -> list[torch.Tensor]:
        """Take one modality away from some training rows, so that none is leaned on alone (Neverova et al. 2016)."""
        if not self.training or not self.modality_dropout or len(modalities) == 1:
            return modalities
        rows, device = len(modalities[0]), modalities[0].device
        lost = torch.randint(len(modalities), (rows,), device=device)
        lost[torch.rand(rows, device=device) >= self.modality_dropout] = -1
        return [codes * (lost != number).unsqueeze(1) for number, codes in enumerate(modalities)]
