"""Occlusion's short cut: scores of pictures that differ in a window are those of the whole pictures."""

import pytest
import torch

from core.attribution_local import Wholes, scores_without_windows
from core.attribution_question import Question
from core.settings import NetworkSettings
from core.snapshot import snapshot
from tests.core import attribution_cases
from tests.core.attribution_cases import STRENGTHS, TARGET, VARIANTS, make_network, make_picture

one_thread = pytest.fixture(autouse=True)(attribution_cases.one_thread)
MORE = {
    "pre-activation that shares": NetworkSettings(width=4, block="pre_shared"),
    "pre-activation, 7x7 stem, tanh": NetworkSettings(width=4, block="pre", stem="7x7", activation="tanh"),
    "a width in another memory order": NetworkSettings(width=16),
}


@pytest.mark.parametrize("variant", [*VARIANTS, *MORE])
@pytest.mark.parametrize("strengths", STRENGTHS)
def test_scores_are_those_of_the_whole_pictures(variant: str, strengths: str) -> None:
    network = snapshot(make_network({**VARIANTS, **MORE}[variant], strengths))
    for height, width, window in ((28, 28, 3), (64, 48, 8), (9, 14, 5), (2, 5, 2), (7, 7, 1), (31, 45, 2)):
        picture = make_picture(64)[None, :, :height, :width].contiguous()
        rows, columns = (torch.arange(0, side, max(1, side // 6)) for side in (height, width))
        corners = torch.cartesian_prod(rows, columns)  # the last ones stick out
        blanked = picture.repeat(len(corners), 1, 1, 1)
        for each, (top, left) in zip(blanked, corners.tolist(), strict=True):
            each[:, top : top + window, left : left + window] = 0
        question = Question(network, picture, TARGET, {})
        expected = question.scores(blanked)
        known: Wholes = {}
        halves = [scores_without_windows(question, each, window, known) for each in corners.chunk(2)]
        scale = float(expected.abs().max())
        torch.testing.assert_close(torch.cat(halves), expected, rtol=0, atol=1e-6 + 2e-5 * scale)


def test_patches_are_smaller_than_the_map_where_that_saves_work(monkeypatch: pytest.MonkeyPatch) -> None:
    network = snapshot(make_network())
    sizes: list[int] = []

    def note(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes.append(inputs[0].shape[-1])

    handles = [block.act1.register_forward_pre_hook(note) for block in network.blocks]
    question = Question(network, make_picture(28)[None], TARGET, {})
    scores_without_windows(question, torch.tensor([[12, 12]]), 3, {})
    for handle in handles:
        handle.remove()
    # the whole picture, then the patch, in the first three blocks; then whole maps
    assert sizes == [28, 7, 28, 11, 14, 8, 14, 7, 7, 4, 4]
