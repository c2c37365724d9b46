"""The rows of one batch: a network, its layers and methods, the prior maps, and every score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import cams, datasets, networks
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import prior_maps, sanity
from xaihelpers.metrics.localization import is_empty
from xaihelpers.metrics.model_score import linked
from xaihelpers.study.case import Case, Prediction
from xaihelpers.study.plan import PRIORS, Plan, Subject
from xaihelpers.study.scores import SCORES
from xaihelpers.study.tensors import LayerTensors, layer_tensors

#: Prior maps that are the same at every layer.
LAYERLESS = ("centre_gaussian", "uniform", "edges")


def finding_mask(masks: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Union of the named masks: {name: (N, H, W) bool} -> (N, H, W) bool.

    Raises:
        EvaluationError: a name is not among the data set's masks.

    Example:
        >>> wire, clip = torch.tensor([[[[True, False]]], [[[False, True]]]])
        >>> masks = {"wire": wire, "clip": clip}
        >>> finding_mask(masks, ["wire", "clip"]).tolist()
        [[[True, True]]]
    """
    missing = [name for name in names if name not in masks]
    if missing or not names:
        raise EvaluationError(f"no mask {missing or names}; this data set has {sorted(masks)}")
    return torch.stack([masks[name] for name in names]).any(dim=0)


def prior_map(name: str, images: Tensor) -> Tensor:
    """A map of `LAYERLESS` for images (N, 3, H, W): -> (N, H, W) in [0, 1]."""
    size = (images.shape[-2], images.shape[-1])
    if name == "edges":
        return prior_maps.edges(images)
    made: Tensor = getattr(prior_maps, name)(len(images), size)
    return made.to(images.device)


@dataclass(frozen=True, eq=False)
class MapScorer:
    """Scores the maps of one batch; what no layer changes is computed once.

    Attributes:
        names: of `scores.SCORES`.
    """

    names: Sequence[str]
    known: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    def scores(self, case: Case, heat: Tensor, method: str) -> dict[str, Tensor]:
        """Every figure of the maps (N, H, W) of one method, and "empty"; each (N,), on the CPU."""
        values = {name: self._value(name, case, heat, method) for name in self.names}
        return {"empty": is_empty(heat).cpu(), **values}

    def _value(self, name: str, case: Case, heat: Tensor, method: str) -> Tensor:
        score, key = SCORES[name], (method, name)
        if score.of == "layer" and method in PRIORS:  # they belong to no layer
            return torch.full((len(heat),), torch.nan)
        if key not in self.known or method not in LAYERLESS or score.of != "map":
            self.known[key] = score.compute(case, heat).float().cpu()
        return self.known[key]


@dataclass(frozen=True, eq=False)
class Worker:
    """One network, ready to score batches of one data set on one device.

    Attributes:
        subject: the network and its layers.
        data: the images.
        plan: what is measured.
        first: indices of the images that the batch norms of the random network are set to.
        device: where it computes.
    """

    subject: Subject
    data: ImageDataset
    plan: Plan
    first: Sequence[int]
    device: torch.device

    @cached_property
    def randomised(self) -> nn.Module:
        """The network with random weights; drawn once, when it is first needed."""
        images = datasets.batch(self.data, self.first)[0].to(self.device)
        return sanity.randomised(self.subject.model, self.plan.seed, networks.normalize(images))

    def rows(self, indices: Sequence[int]) -> pd.DataFrame:
        """A row per image, layer and map; columns as `run_study` says."""
        images, labels, masks = datasets.batch(self.data, indices)
        images = images.to(self.device)
        inputs, names = networks.normalize(images), list(self.subject.layers.values())
        explained = cams.explain_layers(
            self.subject.model, inputs, names, methods=self.plan.methods
        )
        logits = explained[names[0]].logits
        asked = self._asked(inputs, logits, indices)
        finding, there = self._masks(masks, images)
        case = Case(finding, there, asked=asked)
        about = {"network": self.subject.name, "image": list(indices), "label": labels}
        about |= {"predicted": asked.target.cpu(), "confidence": asked.probability.cpu()}
        about |= {"area": finding.cpu().float().mean(dim=(1, 2))}
        priors = {n: prior_map(n, images) for n in LAYERLESS if n in self.plan.priors}
        tensors, random = self._tensors(asked), self._random_maps(asked)
        scorer, tables = MapScorer(self.plan.scores), []
        for role, name in self.subject.layers.items():
            heats = dict(explained[name].maps) | priors | random.get(name, {})
            here = case.at(heats[self.plan.methods[0]], tensors.get(name))
            values = {method: scorer.scores(here, heat, method) for method, heat in heats.items()}
            if "best_possible" in self.plan.priors:
                grid = explained[name].raw[self.plan.methods[0]].shape[1:]
                values["best_possible"] = self._bound(finding, grid)
            for method, columns in values.items():
                tables.append(pd.DataFrame({**about, "layer": role, "method": method, **columns}))
        return pd.concat(tables, ignore_index=True)

    def _asked(self, inputs: Tensor, logits: Tensor, indices: Sequence[int]) -> Prediction:
        target = logits.argmax(dim=1)
        probability = linked(logits).gather(1, target[:, None])[:, 0]
        seeds = [self.plan.seed * 1_000_003 + int(index) for index in indices]
        return Prediction(self.subject.model, inputs, target, probability, seeds)

    def _masks(self, masks: dict[str, Tensor], images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The finding (N, H, W), nowhere where the plan names no mask, and all masks."""
        finding = torch.zeros(len(images), *images.shape[-2:], dtype=torch.bool)
        if self.plan.masks:
            finding = finding_mask(masks, self.plan.masks)
        there = {name: mask.to(self.device) for name, mask in masks.items()}
        return finding.to(self.device), there

    def _tensors(self, asked: Prediction) -> dict[str, LayerTensors]:
        """Activations and gradients by layer, if a score needs them."""
        if all(SCORES[name].of != "layer" for name in self.plan.scores):
            return {}
        names = list(self.subject.layers.values())
        kept = layer_tensors(asked.model, asked.inputs, names, asked.target)
        return dict(zip(names, kept, strict=True))

    def _random_maps(self, asked: Prediction) -> dict[str, dict[str, Tensor]]:
        """The first method's maps of the network with random weights, by layer."""
        if "random_weights" not in self.plan.priors:
            return {}
        names, first = list(self.subject.layers.values()), self.plan.methods[:1]
        drawn = cams.explain_layers(
            self.randomised, asked.inputs, names, target=asked.target, methods=first
        )
        return {name: {"random_weights": drawn[name].maps[first[0]]} for name in names}

    def _bound(self, finding: Tensor, grid: Sequence[int]) -> dict[str, Tensor]:
        absent = ~finding.flatten(1).any(dim=1)
        unknown = torch.full((len(finding),), torch.nan)
        values = {"empty": torch.zeros(len(finding), dtype=torch.bool)}
        values |= dict.fromkeys(self.plan.scores, unknown)
        if "energy" in values:
            best = prior_maps.best_possible(finding, grid).masked_fill(absent, torch.nan)
            values["energy"] = best.cpu()
        return values
