"""The network: a branch for each modality, fused late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from trainer.models.multimodal.branches import ImageBranch, TabularBranch, TextBranch

if TYPE_CHECKING:
    from trainer.models.multimodal.batches import Batch, Shapes
    from trainer.models.multimodal.presets import Architecture


class Network(nn.Module):
    """The branches that the data calls for, and two layers over them."""

    def __init__(self, shapes: Shapes, architecture: Architecture, classes: int) -> None:
        super().__init__()
        width, dropout = architecture.width, architecture.dropout
        self.image = self.tabular = None
        if shapes.image_columns:
            self.image = ImageBranch(architecture, shapes.fixed, shapes.image_columns, width)
        self.texts = nn.ModuleList(
            TextBranch(features, width, classes, architecture.text_dropout, shapes.sentence)
            for features in shapes.text_features
        )
        if shapes.reals or shapes.cardinalities:
            self.tabular = TabularBranch(shapes.reals, shapes.cardinalities, width, dropout / 2)
        sizes = [shapes.image_columns * width] * bool(shapes.image_columns)
        sizes += [len(self.texts) * width] * bool(self.texts) + [width] * (self.tabular is not None)
        self.modality_dropout = architecture.modality_dropout
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(sum(sizes), width)
        self.output = nn.Linear(width, classes)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Map a batch of n rows to logits (n, classes)."""
        modalities: list[torch.Tensor] = []  # (n, width of the modality)
        votes: list[torch.Tensor] = []
        if self.image is not None:
            modalities.append(self.image(batch.pixels, batch.fixed, batch.owners, batch.reals.shape[0]))
        if self.texts:
            coded = [branch(text) for branch, text in zip(self.texts, batch.texts, strict=True)]
            modalities.append(torch.cat([code for code, _ in coded], dim=1))
            votes = [vote for _, vote in coded]
        if self.tabular is not None:
            modalities.append(self.tabular(batch.reals, batch.codes))
        fused = torch.cat(self._thin(modalities), dim=1)
        hidden = self.dropout(functional.relu(self.hidden(self.dropout(fused))))
        logits: torch.Tensor = self.output(hidden)
        return sum(votes, start=logits)

    def log_probabilities(self, batch: Batch) -> torch.Tensor:
        """Map a batch of n rows to the logarithm of their probabilities (n, classes)."""
        return functional.log_softmax(self(batch).float(), dim=1)

    def _thin(self, modalities: list[torch.Tensor]) -> list[torch.Tensor]:
        """Take one modality away from some training rows, so that none is leaned on alone (Neverova et al. 2016)."""
        if not self.training or not self.modality_dropout or len(modalities) == 1:
            return modalities
        rows, device = len(modalities[0]), modalities[0].device
        lost = torch.randint(len(modalities), (rows,), device=device)
        lost[torch.rand(rows, device=device) >= self.modality_dropout] = -1
        return [codes * (lost != number).view(-1, 1) for number, codes in enumerate(modalities)]
