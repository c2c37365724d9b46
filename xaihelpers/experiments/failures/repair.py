"""Do maps explain wrong answers? Blur what the map of the answer points to, and ask again.

If the map shows why the network erred, the answer should turn to the truth when that part of the
picture is blurred, and more often than when a part that belongs to another failure is.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from xaihelpers import cams, networks
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.agreement import top_cells

SIGMA = 12.0  # px; a lesion or a wire is gone, the shape of an organ stays


def hottest(heat: Tensor, share: float = 0.1) -> Tensor:
    """The pixels of each map that are its hottest tenth, or another share: `top_cells`."""
    return top_cells(heat, share)


def blurred(images: Tensor, mask: Tensor, sigma: float = SIGMA) -> Tensor:
    """uint8 images (N, 3, H, W), blurred where `mask` (N, H, W) is True; the rest untouched."""
    size = 2 * round(2 * sigma) + 1
    soft = gaussian_blur(images, [size, size], [sigma, sigma])
    return torch.where(mask[:, None], soft, images)


def failure_rows(model: nn.Module, layer: str, images: Tensor, labels: Tensor) -> pd.DataFrame:
    """A row per wrongly answered image: what blurring the hottest tenth of a map does.

    Columns: label, answer, p_answer, p_label; turned_own, turned_other, turned_label: whether the
    answer becomes the truth when the hottest tenth is blurred of the answer's Grad-CAM map, of the
    answer's map of the next failure, of the true class's map; overlap: IoU of the hottest tenths
    of the answer's and the true class's map.

    Args:
        model: the network.
        layer: dotted name.
        images: (N, 3, H, W) uint8, N >= 2, all answered wrongly.
        labels: (N,) the truth.

    Raises:
        EvaluationError: fewer than two images, or one that is answered rightly.
    """
    if len(images) < 2:
        raise EvaluationError("failures are compared with each other; give at least two")
    explained = cams.explain_classes(model, networks.normalize(images), layer)
    every, answers = torch.arange(len(images)), explained.logits.argmax(dim=1)
    if bool((answers == labels).any()):
        raise EvaluationError("some of these images are answered rightly; give failures only")
    heats = explained.maps["grad_cam"]
    own, label = hottest(heats[every, answers]), hottest(heats[every, labels])
    probability = explained.logits.softmax(dim=1)
    columns = {"label": labels, "answer": answers, "p_answer": probability[every, answers]}
    columns |= {"p_label": probability[every, labels]}
    for name, mask in (("own", own), ("other", own.roll(1, dims=0)), ("label", label)):
        turned = networks.predict(model, blurred(images, mask)).argmax(dim=1) == labels
        columns[f"turned_{name}"] = turned
    both, either = (own & label).sum(dim=(1, 2)), (own | label).sum(dim=(1, 2))
    return pd.DataFrame(columns | {"overlap": both / either})
