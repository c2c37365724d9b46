"""Identity 11: the output-size formula and the receptive field, against torch."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn


def output_size(n: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """n' = floor((n + 2p - d(f - 1) - 1) / s) + 1, which for d = 1 is floor((n + 2p - f)/s) + 1."""
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def receptive_field(layers: list[tuple[int, int, int]]) -> int:
    """r = 1 + sum_l d_l (f_l - 1) prod_{m<l} s_m for layers (kernel f, stride s, dilation d)."""
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride
    return field


def ones_stack(layers: list[tuple[int, int, int]]) -> nn.Sequential:
    """Convolutions of ones without padding: no path from input to output can cancel another."""
    convolutions = [
        nn.Conv1d(1, 1, f, stride=s, dilation=d, bias=False, dtype=torch.float64)
        for f, s, d in layers
    ]
    for convolution in convolutions:
        nn.init.ones_(convolution.weight)
    return nn.Sequential(*convolutions)


KERNEL, STRIDE, PADDING, DILATION = (
    st.integers(1, 7),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 3),
)


@settings(max_examples=400, deadline=None)
@given(n=st.integers(1, 40), f=KERNEL, s=STRIDE, p=PADDING, d=DILATION)
def test_identity_11_output_size_formula_agrees_with_conv2d(
    n: int, f: int, s: int, p: int, d: int
) -> None:
    expected = output_size(n, f, s, p, d)
    convolution = nn.Conv2d(1, 1, (f, 1), stride=(s, 1), padding=(p, 0), dilation=(d, 1))
    if n + 2 * p < d * (f - 1) + 1:
        assert expected < 1
        return
    assert convolution(torch.zeros(1, 1, n, 1)).shape[2] == expected


@settings(max_examples=200, deadline=None)
@given(n=st.integers(7, 40), f=KERNEL, s=STRIDE, p=PADDING)
def test_identity_11_output_size_formula_agrees_with_max_pooling(
    n: int, f: int, s: int, p: int
) -> None:
    p = min(p, f // 2)  # torch refuses a padding of more than half the window
    pooled = nn.MaxPool1d(f, stride=s, padding=p)(torch.zeros(1, 1, n))
    assert pooled.shape[2] == output_size(n, f, s, p, dilation=1)


@settings(max_examples=200, deadline=None)
@given(
    layers=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), max_size=4)
)
def test_identity_11_an_input_of_the_receptive_field_gives_exactly_one_output(
    layers: list[tuple[int, int, int]],
) -> None:
    size = receptive_field(layers)
    assert ones_stack(layers)(torch.zeros(1, 1, size, dtype=torch.float64)).shape[2] == 1
    for kernel, stride, dilation in layers:
        size = output_size(size, kernel, stride, 0, dilation)
    assert size == 1


@settings(max_examples=200, deadline=None)
@given(
    layers=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), max_size=4)
)
def test_identity_11_the_gradient_of_one_output_spans_exactly_the_receptive_field(
    layers: list[tuple[int, int, int]],
) -> None:
    field, margin = receptive_field(layers), 5
    signal = torch.zeros(1, 1, field + margin, dtype=torch.float64, requires_grad=True)
    gradient: Tensor
    (gradient,) = torch.autograd.grad(ones_stack(layers)(signal)[0, 0, 0], signal)
    touched = gradient[0, 0].nonzero().flatten()
    assert touched[0] == 0
    assert touched[-1] == field - 1


def test_identity_11_receptive_field_of_vgg_blocks_worked_by_hand() -> None:
    # two 3x3 convolutions see 5 cells; a 2x2 pooling of stride 2 adds 1; each 3x3 after it adds 4
    assert receptive_field([(3, 1, 1), (3, 1, 1)]) == 5
    assert receptive_field([(3, 1, 1), (3, 1, 1), (2, 2, 1)]) == 6
    assert receptive_field([(3, 1, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1)]) == 10
