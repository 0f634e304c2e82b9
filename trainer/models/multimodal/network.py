"""The network: a branch for each modality, fused late by an ensemble of heads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from trainer.models.multimodal.branches import ImageBranch, TabularBranch, TextBranch
from trainer.models.multimodal.ensemble import EnsembleLinear, SeparateLinear

if TYPE_CHECKING:
    from trainer.models.multimodal.batches import Batch, Shapes
    from trainer.models.multimodal.presets import Architecture


class Network(nn.Module):
    """The branches that the data calls for, and k heads over them that share most weights."""

    def __init__(self, shapes: Shapes, architecture: Architecture, classes: int) -> None:
        super().__init__()
        width, members, dropout = architecture.width, architecture.members, architecture.dropout
        self.image = self.tabular = None
        if shapes.image_columns:
            self.image = ImageBranch(architecture, shapes.fixed, shapes.image_columns, width)
        self.texts = nn.ModuleList(
            TextBranch(features, width, classes, architecture.text_dropout, shapes.sentence)
            for features in shapes.text_features
        )
        if shapes.reals or shapes.cardinalities:
            self.tabular = TabularBranch(shapes.reals, shapes.cardinalities, width, members, dropout / 2)
        sizes = [shapes.image_columns * width] * bool(shapes.image_columns)
        sizes += [len(self.texts) * width] * bool(self.texts) + [width] * (self.tabular is not None)
        self.modality_dropout = architecture.modality_dropout
        self.auxiliary = nn.ModuleList(nn.Linear(size, classes) for size in sizes if len(sizes) > 1)
        self.dropout = nn.Dropout(dropout)
        self.hidden = EnsembleLinear(members, sum(sizes), width, diverse=True)
        self.output = SeparateLinear(members, width, classes)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Map a batch of n rows to the members' logits (n, k, classes), and to those of each of several modalities (n, classes)."""
        modalities: list[torch.Tensor] = []  # (n, 1 or k, width of the modality)
        votes: list[torch.Tensor] = []
        if self.image is not None:
            codes = self.image(batch.pixels, batch.fixed, batch.owners, batch.reals.shape[0])
            modalities.append(codes.unsqueeze(1))
        if self.texts:
            coded = [branch(text) for branch, text in zip(self.texts, batch.texts, strict=True)]
            modalities.append(torch.cat([code for code, _ in coded], dim=1).unsqueeze(1))
            votes = [vote for _, vote in coded]
        if self.tabular is not None:
            modalities.append(self.tabular(batch.reals, batch.codes))
        alone = [layer(codes.mean(dim=1)) for layer, codes in zip(self.auxiliary, modalities, strict=False)]
        members = max(codes.shape[1] for codes in modalities)
        fused = torch.cat([codes.expand(-1, members, -1) for codes in self._thin(modalities)], dim=2)
        hidden = self.dropout(functional.relu(self.hidden(self.dropout(fused))))
        logits: torch.Tensor = self.output(hidden)
        return (logits + sum(votes).unsqueeze(1) if votes else logits), alone  # type: ignore[union-attr]

    def log_probabilities(self, batch: Batch) -> torch.Tensor:
        """Map a batch of n rows to the logarithm of the members' mean probabilities (n, classes)."""
        logits, _ = self(batch)
        return torch.logsumexp(functional.log_softmax(logits.float(), dim=2), dim=1) - math.log(
            logits.shape[1]
        )

    def _thin(self, modalities: list[torch.Tensor]) -> list[torch.Tensor]:
        """Take one modality away from some training rows, so that none is leaned on alone (Neverova et al. 2016)."""
        if not self.training or not self.modality_dropout or len(modalities) == 1:
            return modalities
        rows, device = len(modalities[0]), modalities[0].device
        lost = torch.randint(len(modalities), (rows,), device=device)
        lost[torch.rand(rows, device=device) >= self.modality_dropout] = -1
        return [codes * (lost != number).view(-1, 1, 1) for number, codes in enumerate(modalities)]
