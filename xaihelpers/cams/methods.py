"""The methods, one formula each: activations and gradients in, a raw signed map out.

Symbols as in the papers: A = activations of one layer, (N, K, *S); G = dy/dA, same shape, where y
is the explained score, by default the class logit before softmax; Z = number of cells. S is
any number of spatial dimensions: (L,), (H, W) or (D, H, W). Every map is returned before ReLU,
upsampling and min-max (`xaihelpers.cams.maps`): shape (N, *S), the dtype of A, any sign.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def cam(activations: Tensor, class_weights: Tensor) -> Tensor:
    """Channels summed with given weights; CAM where these are the row c of a linear head on GAP.

    Zhou 2016, arXiv 1512.04150, eq. 2 (M_c = sum_k w_k^c A^k).

    Args:
        activations: (N, K, *S).
        class_weights: (N, K).

    Example:
        >>> cam(torch.ones(1, 2, 1, 2), torch.tensor([[3.0, -1.0]]))
        tensor([[[2., 2.]]])
    """
    return torch.einsum("nk,nk...->n...", class_weights, activations)


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Channels weighted by their mean gradient. Selvaraju 2017, arXiv 1610.02391, eqs 1-2.

    Args:
        activations: (N, K, *S).
        gradients: (N, K, *S).

    Example:
        >>> activations = torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])
        >>> grad_cam(activations, torch.full((1, 1, 2, 2), 2.0))
        tensor([[[2., 0.],
                 [6., 0.]]])
    """
    # eq. 1: alpha_k = (1/Z) sum_ij G^k_ij
    alpha = gradients.flatten(2).mean(dim=2)
    # eq. 2, before its ReLU: sum_k alpha_k A^k
    return cam(activations, alpha)


def counterfactual(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM of the negated score: what speaks against the class.

    Selvaraju 2017, arXiv 1610.02391, section on counterfactual explanations.

    Args:
        activations: (N, K, *S).
        gradients: (N, K, *S).

    Example:
        >>> counterfactual(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
        tensor([[[-1., -1.]]])
    """
    return grad_cam(activations, -gradients)


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Positive gradients, each weighted by the alpha that Y = exp(y) implies.

    Chattopadhay 2018, arXiv 1710.11063, eqs 15 and 19, for y piecewise linear in A.

    eq. 19, a = G^2 / (2 G^2 + S G^3) with S = sum_ab A^k_ab, is cancelled to 1 / (2 + S G), so no
    eps is needed where A >= 0. The authors' code also divides a by its sum and multiplies by
    exp(y): neither is in eq. 19, neither is done here. For signed A the denominator has a zero;
    cells that meet it to rounding weigh nothing, cells near it weigh much: the formula
    is ill-posed there, which is the method's limit and not hidden here.

    Args:
        activations: (N, K, *S).
        gradients: (N, K, *S).

    Example:
        >>> ones = torch.ones(1, 1, 1, 2)
        >>> grad_cam_plus_plus(ones, ones)  # S = 2, so a = 1 / 4 in both cells
        tensor([[[0.5000, 0.5000]]])
    """
    positive = gradients.flatten(2).relu()
    # eq. 19: a^k_ij = 1 / (2 + S^k G^k_ij)
    denominator = 2 + activations.flatten(2).sum(dim=2, keepdim=True) * positive
    defined = denominator.abs() > 8 * torch.finfo(denominator.dtype).eps
    # eq. 15: w_k = sum_ij a^k_ij ReLU(G^k_ij); 0 where G = 0
    weights = torch.where(defined, positive / denominator, 0).sum(dim=2)
    return cam(activations, weights)


def xgrad_cam(activations: Tensor, gradients: Tensor, eps: float = 1e-7) -> Tensor:
    """Channels weighted by the activation-weighted mean gradient ("axiom-based" Grad-CAM).

    Fu 2020, arXiv 2008.02312, eq. 8.

    Args:
        activations: (N, K, *S).
        gradients: (N, K, *S).
        eps: keeps a channel that is zero everywhere at weight 0 instead of 0/0; a numerical guard
            and nothing more. Where A is signed, its sum can still be near -eps.

    Example:
        >>> activations = torch.tensor([[[[1.0, 3.0]]]])
        >>> xgrad_cam(activations, torch.tensor([[[[0.0, 2.0]]]]), eps=0)  # w = 6 / 4
        tensor([[[1.5000, 4.5000]]])
    """
    products, values = (gradients * activations).flatten(2), activations.flatten(2)
    # w_k = sum_ij (G A)^k_ij / (sum_ij A^k_ij + eps)
    weights = products.sum(dim=2) / (values.sum(dim=2) + eps)
    return cam(activations, weights)


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Gradient times activation, summed over channels.

    Draelos & Carin 2020, arXiv 2011.08891: only cells that the score used can light up.

    Args:
        activations: (N, K, *S).
        gradients: (N, K, *S).

    Example:
        >>> hires_cam(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, -2.0]]]]))
        tensor([[[ 0., -6.]]])
    """
    return (gradients * activations).sum(dim=1)


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Positive gradient times activation, summed over channels. Jiang 2021, IEEE TIP 30, eq. 5.

    Args:
        activations: (N, K, *S).
        gradients: (N, K, *S).

    Example:
        >>> layer_cam(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[1.0, -2.0]]]]))
        tensor([[[1., 0.]]])
    """
    return (gradients.relu() * activations).sum(dim=1)


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "xgrad_cam": xgrad_cam,
    "hires_cam": hires_cam,
    "layer_cam": layer_cam,
}
