"""A network as ONNX with two outputs: the logits, and the class map of every class.

Behind global average pooling and one linear layer, Grad-CAM at the pooled tensor is CAM / Z
(chapter 06). All class maps are then one linear layer applied to every cell, so that a single
forward pass holds the maps of all classes and no backward pass is needed. Networks whose head is
anything else are refused.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xaihelpers.cams.hooks import find_layer
from xaihelpers.errors import ArchitectureError
from xaihelpers.files import atomic_path

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

#: How weights are stored; arithmetic is in float32 in every case.
PRECISIONS = ("fp32", "fp16", "int8")
STRIDE = 32  # sides of the input are multiples of it
TOLERANCE = 1e-4  # of the largest logit, in float32
SMALL = 2**15  # numbers; smaller tensors keep float32: they weigh little and decide much


@dataclass(frozen=True)
class Card:
    """What a program that runs the file must know.

    Attributes:
        name: of the network.
        classes: names in the order of the logits.
        layer: the tensor whose maps these are, by its module's name.
        mean: per channel, in [0, 1], subtracted from RGB values in [0, 1].
        std: per channel, by which the difference is divided.
        size: side in pixels of the images that the network was trained on.
    """

    name: str
    classes: Sequence[str]
    layer: str
    mean: Sequence[float]
    std: Sequence[float]
    size: int = 224


class ClassMapNetwork(nn.Module):
    """A network that returns its logits (N, C) and raw class maps (N, C, h, w), CAM before ReLU.

    Args:
        model: a network whose logits are a linear layer of the averages over `layer`.
        layer: dotted name of the module whose output is pooled.
        size: side in pixels of the random images on which that is checked.

    Raises:
        ArchitectureError: the logits are anything else, so that maps of one forward pass would
            not be Grad-CAM's.
        LayerNotFoundError: there is no such layer.
    """

    def __init__(self, model: nn.Module, layer: str, size: int = 224) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().float()
        self.layer = find_layer(model, layer)[0]
        self._pooled: list[Tensor] = []
        self.model.get_submodule(self.layer).register_forward_hook(self._keep)
        self.eval()
        self.head = self._linear_head(size)

    def _keep(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        self._pooled[:] = [output]

    def _linear_head(self, size: int) -> nn.Linear:
        """The linear layer that makes logits of averages, shown on random images."""
        heads = [module for module in self.model.modules() if isinstance(module, nn.Linear)]
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(2, 3, size, size, generator=generator)
        with torch.no_grad():
            logits = self.model(images)
        if not self._pooled or self._pooled[0].ndim != 4:
            raise ArchitectureError(f"{self.layer} gives no feature maps (N, K, h, w) to pool")
        averages = self._pooled[0].mean(dim=(2, 3))
        for head in heads:
            if head.in_features != averages.shape[1] or head.out_features != logits.shape[1]:
                continue
            apart = (head(averages) - logits).abs().max()
            if apart <= TOLERANCE * logits.abs().max().clamp_min(1e-3):
                return head
        raise ArchitectureError(
            f"the logits are not one linear layer of the averages over {self.layer!r}: more than "
            "average pooling stands between the two, so Grad-CAM there is not CAM (chapter 06), "
            "and one forward pass does not hold the maps of all classes. Name the tensor that is "
            "pooled, or use `explain`, which needs a backward pass"
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) normalised images, sides multiples of 32 -> (logits, class maps)."""
        logits = self.model(images)
        return logits, functional.conv2d(self._pooled[0], self.head.weight[:, :, None, None])


def export(
    model: nn.Module, card: Card, path: Path | str, precision: str = "fp32"
) -> dict[str, Any]:
    """Write `model` as ONNX, with its card as JSON beside it.

    The input "images" is (1, 3, H, W) float32 with sides that are multiples of 32. The outputs are
    "logits" (1, C) and "maps" (1, C, H / 32, W / 32), both float32.

    Args:
        model: a network behind whose `card.layer` stand average pooling and one linear layer.
        card: what is written beside the file.
        path: ends in ".onnx"; the card goes to the same name with ".json".
        precision: of the stored weights, a name of `PRECISIONS`.

    Returns:
        The card as it was written.

    Raises:
        ArchitectureError: a network or precision that cannot be exported.
        StorageError: the folder cannot be written.
    """
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ArchitectureError(f"unknown precision {precision!r}: choose one of {known}")
    network = ClassMapNetwork(model, card.layer, card.size)
    _fix_padding(network)
    example = torch.zeros(1, 3, card.size, card.size)
    sides = {side: STRIDE * torch.export.Dim(name, max=64) for side, name in ((2, "h"), (3, "w"))}
    program = torch.onnx.export(
        network,
        (example,),
        input_names=["images"],
        output_names=["logits", "maps"],
        dynamic_shapes={"images": sides},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.optimize()
    proto = program.model_proto
    if precision != "fp32":
        _shrink(proto.graph, precision)
    written = {**asdict(card), "precision": precision, "stride": STRIDE}
    with atomic_path(path) as partial:
        partial.write_bytes(proto.SerializeToString())
    with atomic_path(Path(path).with_suffix(".json")) as partial:
        partial.write_text(json.dumps(written, ensure_ascii=False) + "\n", encoding="utf-8")
    return written


def _fix_padding(model: nn.Module) -> None:
    """Convolutions that compute "same" padding from their input's size get it as a number.

    For inputs whose sides are multiples of 32 every strided convolution meets an even size, at
    which the padding is kernel - 2 in all, the larger part after the image.
    """
    for name, module in list(model.named_modules()):
        if type(module).__name__ != "Conv2dSame":
            continue
        assert isinstance(module, nn.Conv2d)
        extra = [
            k - 2 if s == 2 else k - 1
            for k, s in zip(module.kernel_size, module.stride, strict=True)
        ]
        below, right = (e - e // 2 for e in extra)
        fixed = nn.Conv2d(
            module.in_channels,
            module.out_channels,
            module.kernel_size,  # type: ignore[arg-type]
            module.stride,  # type: ignore[arg-type]
            groups=module.groups,
            bias=module.bias is not None,
        )
        fixed.load_state_dict(module.state_dict())
        padding = nn.ZeroPad2d((extra[1] // 2, right, extra[0] // 2, below))
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, nn.Sequential(padding, fixed))


def _shrink(graph: GraphProto, precision: str) -> None:
    """Store float32 weights in fewer bits, followed by what makes float32 of them again.

    A runtime folds these operations when it loads the file, so that speed stays the same.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        graph.initializer.remove(tensor)
        name = tensor.name
        if precision == "fp16":
            stored = numpy_helper.from_array(values.astype(np.float16), f"{name}_fp16")
            nodes.append(helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
            graph.initializer.append(stored)
            continue
        stored, scale = _int8(values, name)
        graph.initializer.extend([stored, scale])
        cast = f"{name}_float"
        nodes.append(helper.make_node("Cast", [stored.name], [cast], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [cast, scale.name], [name]))
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _int8(values: np.ndarray, name: str) -> tuple[TensorProto, TensorProto]:
    """Weights as int8 and one scale per output channel, the first axis."""
    from onnx import numpy_helper

    largest = np.abs(values.reshape(len(values), -1)).max(axis=1)
    scale = np.maximum(largest, 1e-12).astype(np.float32) / 127
    scale = scale.reshape(-1, *[1] * (values.ndim - 1))
    rounded = np.round(values / scale).astype(np.int8)
    return numpy_helper.from_array(rounded, f"{name}_int8"), numpy_helper.from_array(
        scale, f"{name}_scale"
    )


def read_card(proto_path: Path | str) -> Mapping[str, Any]:
    """The card beside an exported network."""
    return json.loads(Path(proto_path).with_suffix(".json").read_text(encoding="utf-8"))
