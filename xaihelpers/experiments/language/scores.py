"""How good are sentences and answers, and where did each word and each answer look?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from torch import Tensor
from torchmetrics.text import BLEUScore

from xaihelpers.datasets.rendered.scenes import HELD_OUT, Thing
from xaihelpers.datasets.rendered.scenes.questions import KINDS, Question
from xaihelpers.datasets.rendered.scenes.sentences import ATTRIBUTES, compare, read, sentence
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.intervals import Interval, bootstrap_interval
from xaihelpers.metrics.localization import check_maps, energy_in_mask
from xaihelpers.metrics.prior_maps import centre_gaussian


def bleu4(said: Sequence[str], references: Sequence[str]) -> float:
    """BLEU-4 of sentences against one reference each, in [0, 1] (torchmetrics)."""
    metric = BLEUScore(n_gram=4)
    return float(metric(list(said), [[reference] for reference in references]))


def caption_rows(said: Sequence[str], scenes: Sequence[Sequence[Thing]]) -> pd.DataFrame:
    """One row per named thing: its scene, shape, whether the shape is there and each attribute
    right, and whether shape and colour are a pair that training never showed (`new_pair`).

    A sentence that cannot be read has no row.
    """
    rows = []
    for number, (text, things) in enumerate(zip(said, scenes, strict=True)):
        reading, verdict = read(text), compare(text, things)
        for place, part in enumerate(() if reading is None else reading.phrases):
            thing = next((t for t in things if t.shape == part.shape), None)
            right = {name: verdict.right[name][place] for name in ATTRIBUTES}
            new = thing is not None and (thing.shape, thing.colour) in HELD_OUT
            rows.append({"scene": number, "named": part.shape, "new_pair": new, **right})
    columns = ["scene", "named", "new_pair", *ATTRIBUTES]
    return pd.DataFrame(rows, columns=columns).astype({"new_pair": bool})


def caption_scores(
    said: Sequence[str], scenes: Sequence[Sequence[Thing]]
) -> dict[str, float | int | list[float] | None]:
    """Shares of right sentences and of their parts over held-out scenes, as JSON values.

    Returns:
        n scenes; readable, exact (the reference, word by word) with its 95 % Wilson interval;
        shape, colour, texture, size: share of named things; relation: share of the relations said
        that hold; colour_new and colour_seen: colours of pairs of shape and colour that training
        never showed, and of the others; bleu4.
    """
    verdicts = [compare(*pair) for pair in zip(said, scenes, strict=True)]
    rows = caption_rows(said, scenes)
    exact = sum(verdict.exact for verdict in verdicts)
    ends = binomtest(exact, len(verdicts)).proportion_ci(0.95, method="wilson")
    relations = [v.relation for v in verdicts if v.relation is not None]
    scores: dict[str, float | int | list[float] | None] = {
        "n": len(verdicts),
        "readable": sum(verdict.readable for verdict in verdicts) / len(verdicts),
        "exact": exact / len(verdicts),
        "exact_interval": [float(ends.low), float(ends.high)],
        "relation": _share(relations),
    }
    scores |= {name: _share(rows[name]) for name in ATTRIBUTES}
    for name, part in (("new", rows[rows.new_pair]), ("seen", rows[~rows.new_pair])):
        scores |= {f"colour_{name}": _share(part.colour), f"things_{name}": len(part)}
    return scores | {"bleu4": bleu4(said, [sentence(things) for things in scenes])}


def _share(values: Sequence[bool] | pd.Series) -> float | None:
    return float(np.mean(np.asarray(values, dtype=float))) if len(values) else None


def majority_by_kind(asked: Sequence[Question]) -> dict[str, str]:
    """Kind -> its most frequent answer."""
    return _commonest(asked, lambda question: question.kind)


def question_only(asked: Sequence[Question]) -> Callable[[Question], str]:
    """The best guess without a look at the image: the most frequent answer to the very same words,
    or, to words never seen, to the kind of question; "" to a kind never seen.
    """
    by_text, by_kind = _commonest(asked, lambda question: question.text), majority_by_kind(asked)
    return lambda question: by_text.get(question.text, by_kind.get(question.kind, ""))


def _commonest(asked: Sequence[Question], key: Callable[[Question], str]) -> dict[str, str]:
    table = pd.DataFrame({"key": [key(q) for q in asked], "answer": [q.answer for q in asked]})
    counts = table.groupby("key")["answer"].agg(lambda answers: answers.value_counts().idxmax())
    return {str(name): str(answer) for name, answer in counts.items()}


def answer_scores(
    asked: Sequence[Question], given: Sequence[str], learnt_from: Sequence[Question]
) -> pd.DataFrame:
    """Accuracy by kind of question and over all, beside two guesses that see no image.

    Args:
        given: the network's answers. learnt_from: training questions, for the two guesses.

    Returns:
        Index: `KINDS` and "all"; columns n, accuracy, low, high (Wilson), majority (the most
        frequent answer of the kind), question_only (that of the very same question).
    """
    majority, blind = majority_by_kind(learnt_from), question_only(learnt_from)
    table = pd.DataFrame(
        {
            "kind": [q.kind for q in asked],
            "right": [q.answer == a for q, a in zip(asked, given, strict=True)],
            "majority": [q.answer == majority.get(q.kind) for q in asked],
            "question_only": [q.answer == blind(q) for q in asked],
        }
    )
    rows = {}
    for kind in (*KINDS, "all"):
        part = table if kind == "all" else table[table.kind == kind]
        if len(part) == 0:
            continue
        ends = binomtest(int(part.right.sum()), len(part)).proportion_ci(0.95, method="wilson")
        rows[kind] = {
            "n": len(part),
            "accuracy": part.right.mean(),
            "low": float(ends.low),
            "high": float(ends.high),
            "majority": part.majority.mean(),
            "question_only": part.question_only.mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def energies(heat: Tensor, own: Tensor, others: Tensor) -> pd.DataFrame:
    """Where the heat lies: in the asked thing, in the other things, and what blind maps would give.

    Args:
        heat: (N, H, W), not negative. own, others: (N, H, W) bool, `own` never empty.

    Returns:
        One row per map: own and others (energies), own_area and others_area (shares of the image,
        which is a uniform map's energy), centre (energy in `own` of a Gaussian in the middle),
        empty (no positive evidence; its energies are 0).
    """
    check_maps(heat, own)
    check_maps(heat, others)
    if not bool(own.flatten(1).any(dim=1).all()):
        raise EvaluationError("a thing without visible pixels has no energy; leave it out")
    centre = centre_gaussian(len(heat), (heat.shape[1], heat.shape[2])).to(heat)
    columns = {
        "own": energy_in_mask(heat, own),
        "others": energy_in_mask(heat, others),
        "own_area": own.float().mean(dim=(1, 2)),
        "others_area": others.float().mean(dim=(1, 2)),
        "centre": energy_in_mask(centre, own),
        "empty": heat.amax(dim=(1, 2)) == 0,
    }
    return pd.DataFrame({name: values.cpu().numpy() for name, values in columns.items()})


def over_images(values: Sequence[float] | pd.Series, images: Sequence[int] | pd.Series) -> Interval:
    """Mean with a bootstrap interval over images: words of one image count as one, their mean."""
    table = pd.DataFrame({"value": np.asarray(values, float), "image": np.asarray(images)})
    return bootstrap_interval(table.groupby("image")["value"].mean().to_numpy())


def thing_masks(
    masks: Sequence[Mapping[str, np.ndarray]], shapes: Sequence[Sequence[str]]
) -> tuple[Tensor, Tensor]:
    """Per image the visible pixels of the named shapes, and of all other things: two (N, H, W)."""
    own, others = [], []
    for by_shape, named in zip(masks, shapes, strict=True):
        nothing = np.zeros(next(iter(by_shape.values())).shape, bool)
        inside, outside = nothing.copy(), nothing.copy()
        for shape, mask in by_shape.items():
            if shape in named:
                inside |= mask
            else:
                outside |= mask
        own.append(inside)
        others.append(outside)
    return torch.from_numpy(np.stack(own)), torch.from_numpy(np.stack(others))


def moved(heat: Tensor, other: Tensor) -> Tensor:
    """How far two maps of one image differ: half the L1 distance of the maps scaled to sum 1.

    (N, H, W) twice -> (N,): 0 the same picture, 1 no pixel in common; 0 if both are empty, 1 if
    one is.
    """
    check_maps(heat)
    check_maps(other)
    one, two = (m / m.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12) for m in (heat, other))
    alone = (one.sum(dim=(1, 2)) == 0) ^ (two.sum(dim=(1, 2)) == 0)
    return torch.where(alone, 1.0, (one - two).abs().sum(dim=(1, 2)) / 2)
