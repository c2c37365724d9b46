"""Train, test and save the language networks: `python -m xaihelpers train language [network]`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchmetrics
from torch import Tensor, nn

from xaihelpers import datasets, files, networks
from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.datasets.rendered import scenes as scene_set
from xaihelpers.datasets.rendered.chest import reports as findings
from xaihelpers.datasets.rendered.scenes import SHAPES, questions, sentences
from xaihelpers.errors import SetupError
from xaihelpers.experiments.language import data, scores
from xaihelpers.networks import checkpoints
from xaihelpers.networks.frozen import frozen_maps
from xaihelpers.networks.language import captioner, vqa
from xaihelpers.networks.language import shipped as talkers
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.training import Pair, Steps, caption_loss, fit_steps, pair_loss
from xaihelpers.networks.recipes import versions

Made = dict[str, tuple[nn.Module, dict[str, Any]]]  # name -> network, what its card says

#: Captioner and question answerer learn together, with one eye.
PAIR = Steps(1340, batch_size=24, decay=300)
RECIPES: dict[str, Steps] = {
    "scenes_captioner": PAIR,
    "scenes_vqa": PAIR,
    "findings_captioner": Steps(300, warmup=40, decay=200),
}
SEEDS = (0, 1, 2, 3)  # of the rendered training scenes
FINDINGS = {"train": 600, "test": 200}  # radiographs
ASKED = {"train": 2, "test": 8}  # questions per scene, for the blind guesses and for the test


def run(network: str | None = None, seed: int = 0) -> int:
    """Make the networks asked for (None: all three), keep finished ones, print what they reach.

    Returns 0.

    Raises:
        SetupError: no network has this name.
    """
    for name in RECIPES if network is None else (network,):
        card = train(name, seed)
        found = {k: v for k, v in card["metrics"].items() if isinstance(v, float | int)}
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()))
    return 0


def train(name: str, seed: int = 0, recipe: Steps | None = None) -> dict[str, Any]:
    """Train one network, or keep the finished one; return its model card.

    The card's metrics are those of the fp16 weights that are saved. An interrupted training goes
    on from its last save under `data_dir()/training`.

    Raises:
        SetupError: no network has this name.
        TrainingError, StorageError, CheckpointError: as `fit_steps` and `checkpoints.save`.
    """
    if name not in RECIPES:
        raise SetupError(f"no language network {name!r}; there are: {', '.join(RECIPES)}")
    recipe = recipe or RECIPES[name]
    path = files.checkpoints_dir() / f"{name}.safetensors"
    card: dict[str, Any] = {"study": "language", "arch": name, "seed": seed}
    card |= {"recipe": recipe.as_dict(), "data": _data(name)}
    if (done := checkpoints.finished(path, card)) is not None:
        return done
    job = "findings" if name == "findings_captioner" else "scenes_pair"
    work = files.data_dir() / "training" / f"{job}-seed{seed}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = (_findings if job == "findings" else _pair)(recipe, work, seed)
    for made_name, (model, facts) in made.items():
        made_path = path.with_name(f"{made_name}.safetensors")
        facts |= card | {
            "arch": made_name,
            "versions": versions(recipe.low_precision, torchmetrics),
        }
        checkpoints.save(model, made_path, facts)
    shutil.rmtree(work, ignore_errors=True)
    return checkpoints.read_card(path)


def _data(name: str) -> dict[str, Any]:
    if name == "findings_captioner":
        return {"name": "chest_xray", "origin": "rendered", "version": chest_xray.VERSION}
    return {"name": "scenes", "origin": "rendered", "version": scene_set.VERSION}


def _rounded(model: nn.Module) -> None:
    """Leave in the model what fp16 keeps of it, so that what is tested is what is saved."""
    model.load_state_dict(checkpoints.half(model))


def _pair(recipe: Steps, work: Path, seed: int) -> Made:
    said, asked = Vocabulary(sentences.WORDS), Vocabulary(questions.WORDS)
    talking = captioner.Captioner(len(said)).to(memory_format=torch.channels_last)
    answering = vqa.VQA(len(questions.ANSWERS), len(asked), talking.encoder)
    train_set = data.scenes("train", SEEDS)
    batches = data.pair_batches(train_set, said, asked, recipe.batch_size, seed)
    pair = Pair(talking, answering, len(SHAPES), len(data.TAGS), data.tag_pairs())
    history = fit_steps(pair, batches, pair_loss, recipe, work, seed)
    _rounded(pair)
    start, test = "random; one eye for captions, answers and tags", data.scenes("test")
    told: dict[str, Any] = {"classes": list(sentences.WORDS), "start": start}
    told |= {"history": history, "metrics": _caption_metrics(talking, said, test)}
    answered: dict[str, Any] = {"classes": list(questions.ANSWERS), "words": list(questions.WORDS)}
    answered |= {"history": history, "start": start}
    answered["metrics"] = _answer_metrics(answering, asked, train_set, test, seed)
    return {"scenes_captioner": (talking, told), "scenes_vqa": (answering, answered)}


def _caption_metrics(
    model: captioner.Captioner, words: Vocabulary, test: data.Scenes
) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for beams in (1, 3):
        found = scores.caption_scores(captions(model, words, test, beams), test.things)
        metrics |= found if beams == 1 else {f"beam{beams}": found}
    return metrics


def captions(
    model: captioner.Captioner, words: Vocabulary, test: data.Scenes, beams: int = 1
) -> list[str]:
    """Sentences about scenes, greedy or by beam search."""
    said: list[str] = []
    for part in np.array_split(np.arange(len(test)), -(-len(test) // 50)):
        images = networks.normalize(test.images(part.tolist()))
        said += words.decode(captioner.say(model, images, beams))
    return said


def _answer_metrics(
    model: vqa.VQA, words: Vocabulary, train_set: data.Scenes, test: data.Scenes, seed: int
) -> dict[str, Any]:
    asked = questions_about(test, ASKED["test"], seed)
    learnt = [q for row in questions_about(train_set, ASKED["train"], seed) for q in row]
    given = [a for row in answers(model, words, test, asked) for a in row]
    all_asked = [q for row in asked for q in row]
    table = scores.answer_scores(all_asked, given, learnt)
    metrics = {"n": int(table.n["all"]), "accuracy": float(table.accuracy["all"])}
    return metrics | {"by_kind": table.to_dict(orient="index")} | _new_pairs(all_asked, given)


def _new_pairs(asked: Sequence[questions.Question], given: Sequence[str]) -> dict[str, float]:
    """Accuracy of "what colour is the ..." for pairs of shape and colour that training lacked."""
    right: dict[str, list[bool]] = {"colour_new": [], "colour_seen": []}
    for question, answer in zip(asked, given, strict=True):
        if question.kind == "colour":
            new = (question.about[0], question.answer) in scene_set.HELD_OUT
            right["colour_new" if new else "colour_seen"].append(answer == question.answer)
    return {name: float(np.mean(hits)) for name, hits in right.items() if hits}


def questions_about(
    test: data.Scenes, count: int, seed: int = 0
) -> list[tuple[questions.Question, ...]]:
    """`count` questions about each scene, the same for the same seed."""
    rng = np.random.default_rng([seed, count])
    return [questions.questions(things, count, rng) for things in test.things]


@torch.no_grad()
def answers(
    model: vqa.VQA,
    words: Vocabulary,
    test: data.Scenes,
    asked: Sequence[Sequence[questions.Question]],
) -> list[list[str]]:
    """The network's answers to the questions about each scene, equally many for all."""
    found: list[list[str]] = []
    with evaluating(model):
        for part in np.array_split(np.arange(len(test)), -(-len(test) // 50)):
            cells = model.encode(networks.normalize(test.images(part.tolist())))
            rows = [asked[i] for i in part.tolist()]
            texts = words.encode([question.text for row in rows for question in row])
            logits = model.answer(cells, texts.unflatten(0, (len(rows), len(rows[0]))))
            best = logits.argmax(dim=2).tolist()
            found += [[questions.ANSWERS[number] for number in row] for row in best]
    return found


def _findings(recipe: Steps, work: Path, seed: int) -> Made:
    words = Vocabulary(findings.WORDS)
    model, trunk = talkers.new_findings_captioner(len(words))
    maps, texts = {}, {}
    for split, count in FINDINGS.items():
        images = datasets.load("chest_xray", split, limit=count)
        texts[split] = [findings.finding(images[i]) for i in range(count)]
        maps[split] = _maps(model.encoder, images, work / f"{split}.pt")
    part = captioner.Captioner(
        len(words), nn.Identity(), channels=talkers.CHEST_CHANNELS, grid=talkers.CHEST_GRID
    )
    batches = _finding_batches(maps["train"], texts["train"], words, recipe.batch_size, seed)
    history = fit_steps(part, batches, caption_loss, recipe, work, seed)
    spoken = talkers.spoken_part(part)
    _rounded(spoken)
    said: list[str] = []
    for chunk in maps["test"].split(50):
        said += words.decode(captioner.say(part, chunk.float()))
    facts: dict[str, Any] = {"classes": list(findings.WORDS), "trunk_sha256": trunk}
    facts |= {
        "history": history,
        "start": f"trunk of chest_xray_densenet121 ({trunk[:12]}), frozen; reader random",
    }
    facts["metrics"] = _finding_scores(said, texts["test"])
    return {"findings_captioner": (spoken, facts)}


def _maps(trunk: nn.Module, images: datasets.ImageDataset, path: Path) -> Tensor:
    """`frozen_maps` (N, 1024, 14, 14) of the images, kept at `path` until training is over."""
    if path.exists():
        kept: Tensor = torch.load(path, weights_only=True)
        return kept
    found, _ = frozen_maps(trunk, datasets.to_tensors(images), batch_size=16)
    with files.atomic_path(path) as partial:
        torch.save(found, partial)
    return found


def _finding_batches(
    maps: Tensor, texts: Sequence[str], words: Vocabulary, count: int, seed: int
) -> Callable[[int], tuple[Tensor, ...]]:
    tokens = words.encode(texts)

    def batch(step: int) -> tuple[Tensor, ...]:
        indices = np.random.default_rng([seed, step]).integers(len(maps), size=count)
        return maps[indices], tokens[indices]

    return batch


def _finding_scores(said: Sequence[str], truth: Sequence[str]) -> dict[str, Any]:
    """Exact sentences, BLEU-4 and, per group of words, how often the right one is said."""
    groups = {
        "side": findings.SIDES,
        "place": findings.PLACES,
        "noun": tuple(findings.NOUNS.values()),
        "zone": ("middle", *findings.ZONES),
    }
    found: dict[str, Any] = {
        "n": len(said),
        "exact": float(np.mean([s == t for s, t in zip(said, truth, strict=True)])),
        "bleu4": scores.bleu4(said, truth),
    }
    for name, group in groups.items():
        pairs = [
            (set(s.split()) & set(group), set(t.split()) & set(group))
            for s, t in zip(said, truth, strict=True)
        ]
        found[name] = float(np.mean([one == two for one, two in pairs if two]))
    common = max(set(truth), key=list(truth).count)
    return found | {"majority_exact": list(truth).count(common) / len(truth)}
