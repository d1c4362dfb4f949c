"""Batch norm folded into convolutions: the same numbers with fewer steps, or the network itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coreset_cleaning.embedding.extractor import Forward
from coreset_cleaning.embedding.folding import folded
from coreset_cleaning.embedding.networks import Network, Preprocessing

STEPS = Preprocessing(8, 8, 2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Branching(nn.Module):
    """A network whose steps depend on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.mean() > 0:
            x = -x
        return self.steps(x)


def block() -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    for numbers in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(numbers)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1))


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def test_the_numbers_stay_and_the_network_that_was_given_too() -> None:
    module = block().eval()
    x = torch.rand(2, 3, 8, 8)
    expected = module(x)
    copy = folded(module)
    assert (norms(module), norms(copy)) == (1, 0)
    torch.testing.assert_close(copy(x), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize("module", [Branching(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())])
def test_what_can_not_be_folded_is_used_as_it_is(module: nn.Module) -> None:
    assert folded(module.eval()) is module


def test_the_extractor_computes_with_the_folded_network() -> None:
    module = block().eval()
    forward = Forward(Network("block", module, STEPS, 4, "none", "0" * 16), torch.device("cpu"))
    forward.precision = "float32"
    pixels = torch.randint(0, 255, (2, 8, 8, 3), dtype=torch.uint8)
    expected = module((pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).flatten(1)
    assert norms(forward._module) == 0
    torch.testing.assert_close(torch.from_numpy(forward(pixels)), expected, rtol=1e-4, atol=1e-5)
