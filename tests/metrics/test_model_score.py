"""What is read from a network: any target of `explain`, any kind of output, the right link."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xaihelpers import metrics
from xaihelpers.cams import targets
from xaihelpers.errors import EvaluationError, TargetError
from xaihelpers.metrics.model_score import linked, logits_of, score_reader


class Answering(nn.Module):
    """Logits that are sums of the image's channels, in whatever kind of output."""

    def __init__(self, columns: int, wrap: Callable[[Tensor], Any] = lambda logits: logits) -> None:
        super().__init__()
        self.columns, self.wrap = columns, wrap

    def forward(self, images: Tensor) -> Any:
        return self.wrap(images.sum(dim=(2, 3))[:, : self.columns])


IMAGES = torch.randn(12, 4, 3, 3, generator=torch.Generator().manual_seed(0))
HEAT = torch.rand(12, 3, 3, generator=torch.Generator().manual_seed(1))
LOGITS = IMAGES.sum(dim=(2, 3))


def test_several_classes_are_read_by_softmax_and_one_logit_by_sigmoid() -> None:
    many = metrics.confidence(Answering(4), IMAGES, target=2)
    torch.testing.assert_close(many, LOGITS.softmax(dim=1)[:, 2])
    one = metrics.confidence(Answering(1), IMAGES)
    torch.testing.assert_close(one, LOGITS[:, 0].sigmoid())


def test_labels_that_do_not_exclude_each_other_and_regressions_name_their_link() -> None:
    labels = metrics.confidence(Answering(4), IMAGES, target=2, link="sigmoid")
    torch.testing.assert_close(labels, LOGITS[:, 2].sigmoid())
    value = metrics.confidence(Answering(1), IMAGES, link="identity")
    torch.testing.assert_close(value, LOGITS[:, 0])


def test_a_one_logit_network_loses_its_score_when_the_evidence_is_removed() -> None:
    images = IMAGES.abs()
    curve = metrics.deletion(Answering(1), images, HEAT, steps=3)
    assert (curve.scores[:, 0] > 0.9).all()
    assert curve.scores[:, -1].tolist() == pytest.approx([0.5] * 12)
    before = metrics.confidence(Answering(1), images)
    kept = metrics.kept_confidence(Answering(1), images, torch.zeros_like(HEAT))
    assert (metrics.drop(before, kept) > 0.4).all()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: {"logits": logits, "hidden": None},
        lambda logits: {"out": logits},
        lambda logits: (logits, torch.zeros(1)),
        lambda logits: [None, logits],
    ],
)
def test_mappings_and_tuples_are_read_like_their_logits(wrap: Callable[[Tensor], Any]) -> None:
    plain, wrapped = (
        metrics.insertion(model, IMAGES, HEAT, target=[0, 1, 2, 3] * 3, steps=3).scores
        for model in (Answering(4), Answering(4, wrap))
    )
    assert torch.equal(plain, wrapped)


def test_the_predicted_class_is_that_of_the_whole_image() -> None:
    curve = metrics.deletion(Answering(4), IMAGES, HEAT, steps=4)
    own = LOGITS.argmax(dim=1)
    assert torch.equal(
        curve.scores, metrics.deletion(Answering(4), IMAGES, HEAT, own, steps=4).scores
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (targets.logit(1), LOGITS.softmax(dim=1)[:, 1]),
        (targets.probability(1), LOGITS.softmax(dim=1)[:, 1]),
        (targets.difference(1, [0, 2] * 6), LOGITS[:, 1] - LOGITS[range(12), [0, 2] * 6]),
        (targets.counterfactual(3), -LOGITS[:, 3]),
        (lambda logits: logits[:, :2].mean(dim=1), LOGITS[:, :2].mean(dim=1)),
    ],
)
def test_every_target_of_explain_is_taken(target: Any, expected: Tensor) -> None:
    torch.testing.assert_close(metrics.confidence(Answering(4), IMAGES, target), expected)
    curve = metrics.deletion(Answering(4), IMAGES, HEAT, target, steps=2)
    torch.testing.assert_close(curve.scores[:, 0], expected)


def test_a_callable_sees_all_images_at_once_as_it_may_hold_something_for_each() -> None:
    held = torch.arange(12.0)
    fall = metrics.pixel_flipping(
        Answering(4), IMAGES, HEAT, lambda logits: logits[:, 0] * held, share=1.0, steps=1
    )
    assert fall[0] == 0
    whole, gone = (LOGITS[:, 0] * held, IMAGES.mean(dim=(2, 3), keepdim=True).expand_as(IMAGES))
    torch.testing.assert_close(fall, (whole - gone.sum(dim=(2, 3))[:, 0] * held) / 2)


def test_a_model_that_holds_a_sentence_for_each_image_is_not_cut() -> None:
    model = Answering(4)
    model.whole_batch = True  # type: ignore[assignment]
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    whole = metrics.deletion(model, IMAGES, HEAT, target=1, steps=2).scores
    assert set(sizes) == {12}
    assert torch.equal(whole, metrics.deletion(Answering(4), IMAGES, HEAT, 1, steps=2).scores)


def test_given_classes_cost_no_further_pass() -> None:
    model, calls = Answering(4), []
    model.register_forward_hook(lambda *_: calls.append(1))
    metrics.kept_confidence(model, IMAGES[:8], HEAT[:8], target=torch.zeros(8, dtype=torch.int64))
    assert len(calls) == 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(EvaluationError, match="softmax of one logit is always 1"):
        metrics.confidence(Answering(1), IMAGES, link="softmax")
    with pytest.raises(EvaluationError, match="unknown link 'logit'"):
        metrics.confidence(Answering(4), IMAGES, link="logit")  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="is its own number"):
        metrics.confidence(Answering(4), IMAGES, targets.difference(0, 1), link="sigmoid")
    with pytest.raises(TargetError, match="outside the model's 4 classes"):
        metrics.confidence(Answering(4), IMAGES, target=4)
    with pytest.raises(TargetError, match="needs logits"):
        score_reader(Answering(4, lambda logits: {"boxes": logits}), IMAGES)(IMAGES)


def test_an_output_without_logits_is_left_as_it_is() -> None:
    assert logits_of({"boxes": 1}) == {"boxes": 1}
    assert logits_of("text") == "text"
    assert linked(torch.zeros(1, 2)).tolist() == [[0.5, 0.5]]
