"""The rows of one batch: a network, its layers and methods, the prior maps, and every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import cams, datasets, networks
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import prior_maps, sanity
from xaihelpers.metrics.localization import is_empty
from xaihelpers.study.plan import Plan, Subject
from xaihelpers.study.scores import SCORES, Case


def finding_mask(masks: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    """Union of the named masks: {name: (N, H, W) bool} -> (N, H, W) bool.

    Raises:
        EvaluationError: a name is not among the data set's masks.
    """
    missing = [name for name in names if name not in masks]
    if missing or not names:
        raise EvaluationError(f"no mask {missing or names}; this data set has {sorted(masks)}")
    return torch.stack([masks[name] for name in names]).any(dim=0)


@dataclass(frozen=True, eq=False)
class Worker:
    """One network, ready to score batches of one data set on one device.

    first: indices of the images that the batch norms of the random network are set to.
    """

    subject: Subject
    data: ImageDataset
    plan: Plan
    first: Sequence[int]
    device: torch.device

    @cached_property
    def fresh(self) -> nn.Module:
        """The network with random weights; drawn once, when it is first needed."""
        images = datasets.batch(self.data, self.first)[0].to(self.device)
        return sanity.randomised(self.subject.model, self.plan.seed, networks.normalize(images))

    def rows(self, indices: Sequence[int]) -> pd.DataFrame:
        """A row per image, layer and map; columns as `study.run` says."""
        images, labels, masks = datasets.batch(self.data, indices)
        size = (images.shape[-2], images.shape[-1])
        mask = torch.zeros(len(images), *size, dtype=torch.bool)
        if self.plan.masks:
            mask = finding_mask(masks, self.plan.masks)
        inputs = networks.normalize(images.to(self.device))
        layers = self.subject.layers
        found = cams.explain_layers(
            self.subject.model, inputs, list(layers.values()), methods=self.plan.methods
        )
        case = self._case(inputs, next(iter(found.values())).logits, mask, indices)
        about = {"network": self.subject.name, "image": list(indices), "label": labels}
        about |= {"predicted": case.target.cpu(), "confidence": case.before.cpu()}
        about |= {"area": mask.float().mean(dim=(1, 2))}
        blind = self._blind(images.to(self.device))
        drawn = self._drawn(case)
        tables: list[pd.DataFrame] = []
        known: dict[str, dict[str, Tensor]] = {}
        for role, name in layers.items():
            heats = dict(found[name].maps) | blind
            if drawn:
                heats["random_weights"] = drawn[name].maps[self.plan.methods[0]]
            here = case.against(heats[self.plan.methods[0]])
            for method, heat in heats.items():
                values = self._scores(here, heat, known.setdefault(method, {}), method in blind)
                tables.append(pd.DataFrame({**about, "layer": role, "method": method, **values}))
            if "best_possible" in self.plan.priors:
                bound = self._bound(here.mask, found[name].raw[self.plan.methods[0]].shape[1:])
                row = {"layer": role, "method": "best_possible", **bound}
                tables.append(pd.DataFrame({**about, **row}))
        return pd.concat(tables, ignore_index=True)

    def _case(self, inputs: Tensor, logits: Tensor, mask: Tensor, indices: Sequence[int]) -> Case:
        target = logits.argmax(dim=1)
        before = logits.softmax(dim=1).gather(1, target[:, None])[:, 0]
        seeds = [self.plan.seed * 1_000_003 + int(index) for index in indices]
        mask = mask.to(self.device)
        return Case(self.subject.model, inputs, target, before, mask, mask.float(), seeds)

    def _blind(self, images: Tensor) -> dict[str, Tensor]:
        """The prior maps that are the same at every layer."""
        size = (images.shape[-2], images.shape[-1])
        made = {
            "centre_gaussian": lambda: prior_maps.centre_gaussian(len(images), size),
            "uniform": lambda: prior_maps.uniform(len(images), size),
            "edges": lambda: prior_maps.edges(images),
        }
        chosen = [name for name in made if name in self.plan.priors]
        return {name: made[name]().to(self.device) for name in chosen}

    def _drawn(self, case: Case) -> dict[str, cams.Explanation]:
        """The first method's maps of the network with random weights, by layer."""
        if "random_weights" not in self.plan.priors:
            return {}
        names, first = list(self.subject.layers.values()), self.plan.methods[:1]
        return cams.explain_layers(self.fresh, case.inputs, names, case.target, first)

    def _scores(
        self, case: Case, heat: Tensor, known: dict[str, Tensor], blind: bool
    ) -> dict[str, Tensor]:
        """Every score of one map; what does not depend on the layer is taken from `known`."""
        values = {"empty": is_empty(heat).cpu()}
        for name in self.plan.scores:
            if name not in known or not blind or SCORES[name].shared:
                known[name] = SCORES[name].compute(case, heat).float().cpu()
            values[name] = known[name]
        return values

    def _bound(self, mask: Tensor, grid: Sequence[int]) -> dict[str, object]:
        absent = ~mask.flatten(1).any(dim=1)
        values: dict[str, object] = dict.fromkeys(self.plan.scores, float("nan"))
        if "energy" in values:
            best = prior_maps.best_possible(mask, grid).masked_fill(absent, torch.nan)
            values["energy"] = best.cpu()
        return {"empty": False, **values}
