# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 16 · Captioning and visual question answering: a map for every word
#
# *Runtime: about 60 s on 2 cores · Prerequisites: chapters 05 and 10*
#
# Nothing in Grad-CAM asks for classes. It needs one number that the network computed from the image, and a gradient. The paper
# made that point with two networks that speak: one that describes a picture in a sentence, one that answers questions about it.
# Here are two small ones, trained on rendered scenes, where every object has an exact mask. So we need not be satisfied with maps
# that look plausible: for **each word** and **each question** we can count how much heat lies on the thing that was meant.
#
# ## After this chapter you can
#
# 1. write the score of a word, of a sentence and of an answer, and explain each with the engine you already know;
# 2. draw one map per word of a caption, and say which words *should* have different maps and which should not;
# 3. measure whether the heat follows the question, instead of judging by eye;
# 4. tell what a network knows from the image apart from what it could guess from the question alone;
# 5. explain an answer that was *not* given, and say what such a map can and cannot prove.

# %% tags=["parameters"]
PROFILE = "quick"
SEED = 0
DATA_ROOT = ""
RESULTS = "../results"

# %%
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from xaihelpers import cams, datasets, networks
from xaihelpers.cams import sequence_targets as targets
from xaihelpers.datasets import findings, questions, scenes, sentences
from xaihelpers.datasets.questions import Question
from xaihelpers.evaluation import attacks, language, language_study, localization
from xaihelpers.networks.captioner import Saying, say
from xaihelpers.networks.talkers import (
    CHEST_LAYER,
    LAYERS,
    open_captioner,
    open_findings_captioner,
    open_vqa,
)
from xaihelpers.networks.vqa import Asked
from xaihelpers.reproduce import claims
from xaihelpers.show import figures, language_view, notebook

notebook.setup(SEED)

# %% [markdown]
# ## The pictures, the sentences and the questions
#
# **Rendered scenes** (nothing here is a photograph): one to four objects of different shapes on a cluttered ground. The caption
# names the object that is largest in sight and the second largest; "plain" is left unsaid. Questions come from templates, and
# each has one right answer.

# %%
N = {"quick": 100, "full": 1000, "gpu": 1000}[PROFILE]
N_LOOK = {"quick": 60, "full": 400, "gpu": 1000}[PROFILE]  # scenes whose maps are measured
test = datasets.load("scenes", "test", size=96, seed=SEED, limit=N)
records = [test[i] for i in range(N)]
rng = np.random.default_rng(SEED)
for number in (0, 5):
    things = scenes.things_of(records[number])
    print(sentences.sentence(things))
    for asked in questions.questions(things, 4, rng):
        print(f"    {asked.text}? {asked.answer}")
figures.contact_sheet(records[:8], 8, test.classes, cell=1.4)

# %% [markdown]
# **Predict before you go on.** The captioner says "a large red circle left of a small striped blue square".
#
# 1. Are the maps of *red*, *large* and *circle* different from each other, alike, or identical?
# 2. Where is the heat of *left*: on the circle, on the square, between them, or nowhere in particular?
# 3. The question "what colour is the circle?" is answered *red*. You ask Grad-CAM to explain *blue* instead, the colour of the
#    square. **Where does the map go?**
#
# ## The two networks
#
# Both have the same six convolutions (12 x 12 cells, ending in a ReLU), trained for both tasks together. The **captioner** is a
# transformer decoder that reads those cells and says one word after the other. The **question answerer** reads the question over
# the same cells and chooses one of 28 answers. How good are they on 1,000 test scenes, which hold pairs of shape and colour that
# training never showed?

# %%
captioner, vqa = open_captioner(), open_vqa()
told = captioner.card["metrics"]
wanted = ["exact", "shape", "colour", "texture", "size", "relation", "colour_seen", "colour_new"]
table = pd.DataFrame({"greedy": told, "beam of 3": told["beam3"]}).loc[[*wanted, "bleu4", "n"]]
table.astype(float).round(3)

# %%
kinds = pd.DataFrame(vqa.card["metrics"]["by_kind"]).T
kinds["accuracy"] = [f"{r.accuracy:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in kinds.itertuples()]
kinds[["n", "accuracy", "majority", "question_only"]].astype({"n": int}).round(3)

# %% [markdown]
# **How to read them.** *exact*: the reference sentence, word by word; which of two objects of nearly the same size is "second" is
# not always clear, so a true sentence may miss it. *shape, colour, texture, size*: share of the named things for which the word is
# right. *relation*: share of the relations said that hold. *colour_new*: colours of the held-out pairs. In the second table
# *majority* answers every question of a kind alike, and *question_only* gives the most frequent training answer to the very same
# words: it reads the question and never sees the picture. **The network has learnt to look only as far as it beats that column.**
#
# ## 1. The score of a word
#
# A captioner is a chain of classifiers. For the image $I$ and the words $w_1, w_2, \dots$ it gives, place by place, a logit
# $z_t^v$ for every word $v$ of the vocabulary. Held to a given sentence (*teacher forcing*), its scores are
#
# $$y_t = \log p(w_t \mid w_{<t}, I) = z_t^{w_t} - \log \sum_v e^{z_t^v}, \qquad y_{\text{sentence}} = \sum_t y_t, \tag{1}$$
#
# and an answer $a$ to a question has the logit $y^a$ of an ordinary class. Everything after that is chapter 05:
#
# $$\alpha_k = \frac{1}{HW} \sum_{ij} \frac{\partial y_t}{\partial A^k_{ij}}, \qquad
# M = \mathrm{ReLU}\Big(\sum_k \alpha_k A^k\Big). \tag{2}$$
#
# | symbol | shape | meaning |
# |---|---|---|
# | $A$ | (128, 12, 12) | activations of the last convolution's ReLU |
# | $z_t$ | (29,) | logits of the word in place $t$; for an answer (28,) |
# | $y_t$ | a number | log-probability of the word that stands there |
#
# The paper takes the log-probability for words. It has a side effect worth seeing once by hand. Its gradient is
#
# $$\frac{\partial y_t}{\partial A} = \frac{\partial z_t^{w_t}}{\partial A} - \sum_v p_v \frac{\partial z_t^v}{\partial A}: \tag{3}$$
#
# what speaks for the word, **less what speaks for the words it competes with**.
#
# **By hand.** Two channels, $A^1 = \begin{pmatrix}1&0\\0&0\end{pmatrix}$ (red paint, top left) and
# $A^2 = \begin{pmatrix}0&0\\0&2\end{pmatrix}$ (blue paint, bottom right). Words: *red* reads $4 \cdot$ mean of $A^1$, *blue*
# $4 \cdot$ mean of $A^2$, *a* always 0. So $z = (4 \cdot \tfrac14,\ 4 \cdot \tfrac24,\ 0) = (1, 2, 0)$ and
# $p = (0.245, 0.665, 0.090)$. For the **logit** of *red*, $\alpha = (1, 0)$: the map is 1 at top left and 0 elsewhere. For its
# **log-probability**, $\alpha = (1 - 0.245,\ -0.665) = (0.755, -0.665)$: 0.755 at top left and $-0.665 \cdot 2 = -1.33$ at bottom
# right, where the blue paint speaks for the competitor.


# %%
# NBVAL_CHECK_OUTPUT
class Toy(nn.Module):
    """Two channels in, one place of three words out: red, blue, a."""

    def __init__(self) -> None:
        super().__init__()
        self.eye = nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, blue = (4 * self.eye(images).mean(dim=(2, 3))).T
        return torch.stack([red, blue, torch.zeros_like(red)], dim=1)[:, None]


paint = torch.tensor([[[[1.0, 0], [0, 0]], [[0, 0], [0, 2.0]]]])
for raw in (True, False):
    found = cams.explain(Toy(), paint, "eye", targets.word(0, 0, raw=raw))
    score, heat = found.scores.item(), found.raw["grad_cam"][0]
    print(f"{'logit' if raw else 'log-probability'} {score:.3f}: map {heat.numpy().round(3).tolist()}")

# %% [markdown]
# ## 2. One word, written out
#
# `explain` passes images and nothing else. `Saying(captioner, tokens)` is the captioner *with* its sentence, so that an image is its
# only input; `Asked(vqa, question)` is the same for a question. There is no second engine. The five steps inline:


# %%
def grad_cam_of_word(image: torch.Tensor, tokens: torch.Tensor, place: int) -> torch.Tensor:
    """Raw map (12, 12) of the word in `place`; tokens (1, L) from start to end."""
    model = captioner.captioner
    A = model.encoder(image).detach().requires_grad_()
    z = model.follow(model.reader.cells(A), tokens[:, :-1])  # (1, L - 1, words)
    y = z[0, place].log_softmax(dim=0)[tokens[0, place + 1]]
    (G,) = torch.autograd.grad(y, A)
    alpha = G.mean(dim=(2, 3), keepdim=True)
    return (alpha * A).sum(dim=1)[0].detach()


# %%
# NBVAL_CHECK_OUTPUT
images = language_study.images_of(records)
tokens = torch.cat([say(captioner.captioner, networks.normalize(i)) for i in images[:1].split(1)])
image = networks.normalize(images[:1])
for place in (2, 3):
    target = targets.word(place, int(tokens[0, place + 1]))
    theirs = cams.explain(Saying(captioner.captioner, tokens), image, LAYERS["last"], target)
    mine = grad_cam_of_word(image, tokens, place)
    gap = (mine - theirs.raw["grad_cam"][0]).abs().max() / mine.abs().max()
    print(f"place {place}: equal to cams.explain: {bool(gap < 1e-4)}")

# %% [markdown]
# ## 3. A caption, word by word


# %%
def caption_row(number: int):
    """The caption of a scene with a map per word, and the thing that the word speaks of outlined."""
    said = say(captioner.captioner, networks.normalize(images[number : number + 1]))
    heat = language_study.word_maps(captioner, images[number : number + 1], said)[0]
    (text,) = captioner.words.decode(said)
    masks = records[number].masks
    outlines = [{s: masks[s]} if s in masks else {} for s in sentences.subjects(text)]
    words = text.split()
    return language_view.row(images[number], words, heat[: len(words)], outlines, "image", 1.15)


said_all = captioner.words.decode(say(captioner.captioner, networks.normalize(images)))
verdicts = [
    sentences.compare(s, scenes.things_of(r)) for s, r in zip(said_all, records, strict=True)
]
good = [
    k
    for k, (s, v) in enumerate(zip(said_all, verdicts, strict=True))
    if v.exact and len(s.split()) >= 11
]
print(said_all[good[0]])
caption_row(good[0])

# %%
print(said_all[good[1]])
caption_row(good[1])

# %% [markdown]
# The outline in each panel is the thing that the word speaks of (relations and articles speak of none).
#
# PROSE-ROW
#
# ## 4. Where did the words look? Counting instead of looking
#
# For a word that names or describes a thing, let $e$ be the share of its map's sum on that thing's visible pixels. Two questions:
#
# - **More than a map that never looked?** The *prior* is the better of a uniform map and a Gaussian in the middle of the image.
# - **This thing rather than another?** The *swap* is the energy that lies on the *same* pixels when the word of the same role that
#   describes the *other* thing is explained (the other colour, the other shape). Heat that does not follow the word has $e - \text{swap} = 0$.
#
# Intervals are 95 % bootstrap intervals over images (words of one image count as one).


# %%
def summary(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean energies by group; differences with their intervals over images."""
    rows = {}
    for name, part in [*table.groupby(by, sort=False), ("all", table)]:
        pairs = part.dropna(subset="swap")
        rows[name] = {
            "n": len(part),
            **part[["own", "others", "own_area", "centre"]].mean().round(3),
            "own - prior": str(language.over_images(part.own - part.prior, part.image)),
            "own - swap": str(language.over_images(pairs.own - pairs.swap, pairs.image)),
            "empty": int(part["empty"].sum()),
        }
    return pd.DataFrame(rows).T


looked = records[:N_LOOK]
words = language_study.caption_study(captioner, looked)
summary(words, "role")

# %% [markdown]
# PROSE-WORDS
#
# Other methods, and the logit in place of the log-probability, on the same sentences:

# %%
variants = {"Grad-CAM, log-probability": words}
for name, method, raw in (
    ("Grad-CAM, logit", "grad_cam", True),
    ("HiResCAM, log-probability", "hires_cam", False),
    ("LayerCAM, log-probability", "layer_cam", False),
):
    variants[name] = language_study.caption_study(captioner, looked, method=method, raw=raw)
rows = {name: summary(table, "role").loc["all"] for name, table in variants.items()}
pd.DataFrame(rows).T[["own", "others", "own - prior", "own - swap", "empty"]]

# %% [markdown]
# PROSE-METHODS
#
# ## 5. Questions
#
# The paper shows one picture of a fire hydrant and asks for its colour: the network says *red*, and the map lies on the hydrant; it
# then explains *yellow* and *yellow and red*, answers that were not given. Our hydrant is the largest thing of a scene that
# also holds another thing of another colour.


# %%
def hydrant(record) -> tuple[str, str, str] | None:
    """Shape and colour of the largest thing, and the colour of the second, if they differ."""
    things = scenes.things_of(record)
    if len(things) != 2 or things[0].colour == things[1].colour:
        return None
    return things[0].shape, things[0].colour, things[1].colour


chosen = next(k for k, r in enumerate(records) if hydrant(r) and k in good)
shape, right, other = hydrant(records[chosen])
neither = next(c for c in scenes.COLOURS if c not in (right, other))
asked = [Question("colour", f"what colour is the {shape}", right, (shape,))] * 3
same = images[chosen : chosen + 1].expand(3, -1, -1, -1)
heat, given = language_study.answer_maps(vqa, same, asked, answers=[right, other, neither])
outline = [{s: m for s, m in records[chosen].masks.items() if m.any()}] * 3
picture = language_view.row(images[chosen], [right, other, neither], heat, outline, "image", 1.9)
picture.suptitle(f"what colour is the {shape}?  It says {given[0]}. Why {right}, {other}, {neither}?")
picture

# %% [markdown]
# PROSE-HYDRANT
#
# **Several questions on one picture.** The same weights, the same image; only the words of the question differ.

# %%
several = next(k for k, r in enumerate(records) if len(scenes.things_of(r)) >= 3)
first, second = (thing.shape for thing in scenes.things_of(records[several])[:2])
texts = [
    f"what colour is the {first}",
    f"what colour is the {second}",
    f"what texture is the {second}",
    "how many things are there",
    f"is the {first} above the {second}",
]
asked = [Question("", text, "", ()) for text in texts]
same = images[several : several + 1].expand(len(asked), -1, -1, -1)
heat, given = language_study.answer_maps(vqa, same, asked)
titles = [f"{text}?\n{reply}" for text, reply in zip(texts, given, strict=True)]
language_view.row(images[several], titles, heat, first="image", cell=2.2)

# %%
asked_all = language_study.question_study(vqa, looked)
summary(asked_all, "kind").assign(right=asked_all.groupby("kind").right.mean().round(3))

# %% [markdown]
# PROSE-QUESTIONS
#
# **All kinds of questions.** Here the evidence is whatever shows the answer: the counted things, the thing beside, both things of a
# comparison. There is no swap, so only the comparison with the priors is left. Does the map move at all when the question does?
# *moved* is half the L1 distance between the maps of two questions on one picture, each scaled to sum 1: 0 the same
# picture, 1 no pixel in common.

# %%
drawn = [questions.questions(scenes.things_of(r), 6, rng) for r in looked]
by_kind = language_study.kind_study(vqa, looked, drawn)
rows = {
    kind: {
        "n": len(part),
        "accuracy": round(part.right.mean(), 3),
        **part[["own", "others", "own_area"]].mean().round(3),
        "own - prior": str(language.over_images(part.own - part.prior, part.image)),
    }
    for kind, part in by_kind.groupby("kind", sort=False)
    if part.image.nunique() > 1
}
pd.DataFrame(rows).T

# %%
several_things = [k for k in range(N_LOOK) if len(scenes.things_of(records[k])) > 1]
pairs = [[t.shape for t in scenes.things_of(records[k])[:2]] for k in several_things]
asked = {
    "first thing": [Question("", f"what colour is the {a}", "", ()) for a, _ in pairs],
    "second thing": [Question("", f"what colour is the {b}", "", ()) for _, b in pairs],
    "texture": [Question("", f"what texture is the {a}", "", ()) for a, _ in pairs],
}
maps = {
    name: language_study.answer_maps(vqa, images[several_things], row)[0]
    for name, row in asked.items()
}
for name in ("second thing", "texture"):
    shift = language.moved(maps["first thing"], maps[name])
    interval = language.over_images(shift.numpy(), several_things)
    print(f"moved, colour of the first thing -> {name}: {interval}, n = {len(shift)}")

# %% [markdown]
# PROSE-MOVED
#
# ## 6. The verdict on the paper's claim
#
# The rule was written down before these maps were drawn: Grad-CAM *works* for the two tasks if, for both, heat on the named thing
# beats the better prior, **and** beats what lies there when another thing is asked about.

# %%
tasks = {"caption": words, "answer": asked_all}
measures, spread = {}, {}
for task, table in tasks.items():
    pairs = table.dropna(subset="swap")
    for name, part, blind in (("energy_over_prior", table, "prior"), ("switch", pairs, "swap")):
        found = language.over_images(part.own - part[blind], part.image)
        measures[f"{task}_{name}"] = claims.Measure(
            found.estimate, found.low, found.high, found.count
        )
        spread[f"{task}: own - {blind}"] = part.own - part[blind]
figure, axes = figures.new_figure(1, 1, (5.6, 2.4), "constrained")
axes[0, 0].boxplot(list(spread.values())[::-1], vert=False, whis=(5, 95), showfliers=False)
axes[0, 0].set_yticks(range(1, 5), list(spread)[::-1])
axes[0, 0].axvline(0, color="0.5", linewidth=0.8)
axes[0, 0].set_xlabel("difference of energy on the named thing, per word or question")
sources = [captioner.card, vqa.card, test]
rest = {"seed": SEED, "profile": PROFILE, "results": RESULTS, "figure": figure}
print(claims.settle("C16", measures, sources=sources, **rest))
figure

# %% [markdown]
# PROSE-VERDICT
#
# ## 7. Answers that were not given, changed pictures, and failures
#
# **Counterfactual answers.** For every scene with two colours: ask for the colour of the first thing, and explain the colour of the
# *second*. Does the heat go to the thing that *has* that colour, although the question was about another?

# %%
pairs = [
    (k, thing, rest[0])
    for k in several_things
    for thing, *rest in [scenes.things_of(records[k])]
    if thing.colour != rest[0].colour
]
asked = [Question("", f"what colour is the {a.shape}", a.colour, (a.shape,)) for _, a, _ in pairs]
numbers = [k for k, _, _ in pairs]
masks = [records[k].masks for k in numbers]
own, _ = language.thing_masks(masks, [(a.shape,) for _, a, _ in pairs])
wrong, _ = language.thing_masks(masks, [(b.shape,) for _, _, b in pairs])
for name, answers in (
    ("the colour it has", [a.colour for _, a, _ in pairs]),
    ("the other thing's colour", [b.colour for _, _, b in pairs]),
):
    heat, _ = language_study.answer_maps(vqa, images[numbers], asked, answers=answers)
    on = [localization.energy_in_mask(heat, m).mean().item() for m in (own, wrong)]
    empty = localization.is_empty(heat).float().mean().item()
    print(f"why {name}? on the asked thing {on[0]:.3f}, on the other {on[1]:.3f}, empty {empty:.2f}")

# %% [markdown]
# PROSE-COUNTER
#
# **A picture changed to deceive.** A projected-gradient attack (chapter 13) changes every pixel by at most 4 of 255 grey levels, until
# the answer to "what colour is the ...?" is the wanted wrong one. Where does the map of the *right* answer lie now?

# %%
row = [(k, a, b) for k, a, b in pairs if a.colour != b.colour][:12]
numbers = [k for k, _, _ in row]
asked = [Question("", f"what colour is the {a.shape}", a.colour, (a.shape,)) for _, a, _ in row]
model = Asked(vqa.vqa, vqa.words.encode([q.text for q in asked]))
wanted = torch.tensor([vqa.answers.index(b.colour) for _, _, b in row])
clean = images[numbers].float() / 255
bad = attacks.pgd(model, clean, wanted, 4 / 255, steps=10, targeted=True, batch_size=len(row))
own, _ = language.thing_masks([records[k].masks for k in numbers], [q.about for q in asked])
right = targets.answer([vqa.answers.index(a.colour) for _, a, _ in row])
for name, pixels in (("clean", clean), ("attacked", bad)):
    found = cams.explain(model, attacks.standardize(pixels), LAYERS["last"], right)
    p = found.logits.softmax(dim=1).gather(1, torch.tensor(right.classes)[:, None])
    energy = localization.energy_in_mask(found.maps["grad_cam"], own).mean().item()
    said = found.logits.argmax(dim=1) == wanted
    print(f"{name}: says the wanted colour in {int(said.sum())} of {len(row)}, ", end="")
    print(f"median p(right) {p.median():.1e}, energy on the asked thing {energy:.3f}")

# %% [markdown]
# PROSE-ATTACK
#
# **Failures.** The first sentence that says something untrue, and the first wrong answers.

# %%
untrue = [
    k
    for k, v in enumerate(verdicts)
    if not v.readable or v.relation is False or not all(all(r) for r in v.right.values())
]
print("said: ", said_all[untrue[0]])
print("true: ", sentences.sentence(scenes.things_of(records[untrue[0]])))
caption_row(untrue[0])

# %%
wrong = asked_all[~asked_all.right.astype(bool)].drop_duplicates("image").head(5)
asked = [Question("", f"what {r.kind} is the {r.named}", "", ()) for r in wrong.itertuples()]
truths = [
    next(getattr(t, r.kind) for t in scenes.things_of(records[r.image]) if t.shape == r.named)
    for r in wrong.itertuples()
]
heat, given = language_study.answer_maps(vqa, images[wrong.image.tolist()], asked)
columns = [
    f"what {r.kind} is the {r.named}?\n{a} (true: {t})"
    for r, a, t in zip(wrong.itertuples(), given, truths, strict=True)
]
outlines = [{r.named: records[r.image].masks[r.named]} for r in wrong.itertuples()]
figures.grid(images[wrong.image.tolist()], {"why this answer": heat}, columns, outlines, cell=2.0)

# %% [markdown]
# PROSE-FAIL
#
# ## 8. Ask for yourself
#
# Slide to another picture, pick a word of its caption, a question, an answer (also a wrong one) and a layer. On a static page the first
# cell shows nothing to click; the second shows what it opens with.

# %%
page = language_view.LanguageExplorer(records[:40], captioner, vqa)
page

# %%
page.look(picture=several, word=2, question=texts[1], layer="last").figure

# %% [markdown]
# ## 9. The medical turn: a finding in words
#
# A radiologist writes sentences, not classes. The same captioner class was trained on **rendered** radiographs (chapter 15; no
# patient is in them) to write findings such as "bilateral peripheral opacity in the lower zones". Its eye is the frozen trunk of the
# shipped chest classifier (14 x 14 cells); only the reader was trained. Sides are the patient's: the right lung is on the left.

# %%
reporter = open_findings_captioner()
facts = reporter.card["metrics"]
print({name: round(value, 3) for name, value in facts.items()})
N_CHEST = {"quick": 16, "full": 200, "gpu": 200}[PROFILE]
chest = datasets.load("chest_xray", "test", seed=SEED, limit=N_CHEST)
xrays = [chest[i] for i in range(N_CHEST)]
scans = language_study.images_of(xrays)
with torch.no_grad():
    reported = say(reporter.captioner, networks.normalize(scans))
heat = language_study.word_maps(reporter, scans, reported, CHEST_LAYER)
notes = reporter.words.decode(reported)
true_notes = [findings.finding(x) for x in xrays]
ill = [k for k in range(N_CHEST) if notes[k] == true_notes[k] != findings.CLEAR]
one_sided = next((k for k in ill if not notes[k].startswith("bilateral")), ill[0])
print(notes[one_sided])

# %%
places = [k for k, word in enumerate(notes[one_sided].split()) if word in findings.CONTENT]
words_shown = [notes[one_sided].split()[k] for k in places]
outlines = [{"opacity": findings.word_mask(xrays[one_sided], word)} for word in words_shown]
shown = [heat[one_sided, k] for k in places]
language_view.row(scans[one_sided], words_shown, shown, outlines, "image", 2.0)

# %%
chest_rows = []
for k, note in enumerate(notes):
    for place, word in enumerate(note.split()):
        mask = findings.word_mask(xrays[k], word)
        if word in findings.CONTENT and mask.any():
            rest = xrays[k].masks["lung"] & ~mask
            pair = (torch.from_numpy(m)[None] for m in (mask, rest))
            (energy,) = language.energies(heat[k, place][None], *pair).to_dict("records")
            chest_rows.append({"image": k, "word": word, **energy})
chest_table = pd.DataFrame(chest_rows)
chest_table["prior"] = chest_table[["own_area", "centre"]].max(axis=1)
rows = {}
for word, part in [*chest_table.groupby("word"), ("all", chest_table)]:
    if part.image.nunique() > 2:
        difference = str(language.over_images(part.own - part.prior, part.image))
        means = part[["own", "others", "own_area", "centre"]].mean().round(3)
        rows[word] = {"n": len(part), **means, "own - prior": difference}
pd.DataFrame(rows).T

# %% [markdown]
# PROSE-CHEST
#
# ## Exercises
#
# **1.** Explain the whole sentence instead of one word: return the map (96, 96) of `targets.sentence` for one image. (Give it the words
# that *follow* each place.)


# %% tags=["exercise"]
def sentence_map(image: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Heat (H, W) of a whole sentence; image (1, 3, H, W) normalised, tokens (1, L)."""
    ...


# %% tags=["exercise-check"]
def _sentence_is_explained() -> bool:
    model = Saying(captioner.captioner, tokens)
    score = targets.sentence(tokens[:, 1:])
    expected = cams.explain(model, image, LAYERS["last"], score).maps["grad_cam"][0]
    return torch.allclose(sentence_map(image, tokens), expected, atol=1e-5)


notebook.check("sentence", _sentence_is_explained)

# %% [markdown] tags=["solution"]
# <details><summary>Solution</summary>
#
# ```python
# def sentence_map(image: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
#     """Heat (H, W) of a whole sentence; image (1, 3, H, W) normalised, tokens (1, L)."""
#     model = Saying(captioner.captioner, tokens)
#     target = targets.sentence(tokens[:, 1:])
#     return cams.explain(model, image, LAYERS["last"], target).maps["grad_cam"][0]
# ```
#
# Gradients add, so the raw Grad-CAM map of the sentence is the sum of the raw maps of its words; after ReLU it is not.
# </details>

# %% [markdown]
# **2.** The by-hand example again: for which logit $z_{blue}$ would the log-probability of *red* have the same weight on both channels,
# up to sign? Write $\alpha$ of (red, blue) for any logits of (red, blue, a).


# %% tags=["exercise"]
def toy_alpha(z: torch.Tensor) -> torch.Tensor:
    """Weights (2,) of the log-probability of red in the toy network; z (3,)."""
    ...


# %% tags=["exercise-check"]
def _alpha_is_right() -> bool:
    expected = torch.tensor([0.7553, -0.6652])
    even = toy_alpha(torch.tensor([0.0, 50.0, -50.0]))
    right = torch.allclose(toy_alpha(torch.tensor([1.0, 2.0, 0.0])), expected, atol=1e-3)
    return right and torch.allclose(even, torch.tensor([1.0, -1.0]), atol=1e-3)


notebook.check("weights", _alpha_is_right)

# %% [markdown] tags=["solution"]
# <details><summary>Solution</summary>
#
# ```python
# def toy_alpha(z: torch.Tensor) -> torch.Tensor:
#     """Weights (2,) of the log-probability of red in the toy network; z (3,)."""
#     p = F.softmax(z, dim=0)
#     return torch.stack([1 - p[0], -p[1]])
# ```
#
# $1 - p_{red} = p_{blue}$ exactly when *a* has no probability: with two competitors only, the map of a word and that of its rival
# are each other's negative.
# </details>

# %% [markdown]
# ## What this does not show
#
# - The networks are small and the language is a toy: 26 words, templates, one right answer. That is what makes counting possible.
# - Heat on a thing is not proof that the word was *read* there, and a colour may well be read at an edge or in the middle.
# - The figures are of rendered scenes and rendered radiographs. They say how a method behaves, and nothing about patients.
#
# ## References
#
# - R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM: visual explanations from deep networks via
#   gradient-based localization. ICCV 2017, arXiv 1610.02391 (captioning and visual question answering).
# - A. Vaswani and others: Attention is all you need. NeurIPS 2017, arXiv 1706.03762.
# - Y. Goyal and others: Making the V in VQA matter: elevating the role of image understanding in visual question answering. CVPR
#   2017, arXiv 1612.00837 (answers guessed from the question alone).
# - K. Papineni and others: BLEU: a method for automatic evaluation of machine translation. ACL 2002.
# - J. Adebayo and others: Sanity checks for saliency maps. NeurIPS 2018, arXiv 1810.03292.

# %%
notebook.footer(captioner.card, vqa.card, reporter.card, test, chest)
