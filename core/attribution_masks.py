"""The methods that blank parts of the picture and look at the score: occlusion, ablation, Shapley values.

They compute what Captum's Occlusion, FeatureAblation and ShapleyValueSampling do, with many blanked
pictures in one forward pass and a map to be seen after each. No gradient is taken.
"""

import torch
from torch import Tensor

from core.attribution_local import Wholes, scores_without_windows
from core.attribution_question import Piece, Pieces, Question, completeness, piece_size, runs, spread

_WITHOUT_GRADIENTS = 2  # so many times the pictures of a piece that goes back as well …
_IN_PATCHES = 2  # … and so many where most layers see patches only


def occlusion(question: Question) -> Pieces:
    """Yield the loss of the score per window, averaged where windows overlap.

    A window changes little, and only that is computed again.
    """
    window = question.whole("window")
    corners = _corners(question.picture, window, question.whole("stride"))
    total = torch.zeros_like(question.picture[0, :1])
    count = torch.zeros_like(total)
    whole = question.scores(question.picture)
    known: Wholes = {}
    for chosen, done in spread(len(corners), _IN_PATCHES * piece_size(question)):
        masks = _windows(corners[chosen], window, question.picture)
        lost = whole - scores_without_windows(question, corners[chosen], window, known)
        total += torch.einsum("n,nchw->chw", lost, masks)
        count += masks.sum(0)
        yield Piece((total / count.clamp(min=1)).expand(3, -1, -1), done)


def _corners(picture: Tensor, window: int, stride: int) -> Tensor:
    """Return the windows' upper left corners (n, 2); the last of a row or column may stick out."""
    sides = picture.shape[2:]
    rows, columns = (torch.arange(0, size - window + stride, stride) for size in sides)
    return torch.cartesian_prod(rows, columns).to(picture.device)


def _windows(corners: Tensor, window: int, picture: Tensor) -> Tensor:
    """Return (n, 1, H, W): 1 within each window."""
    inside = []
    for corner, size in zip(corners.T, picture.shape[2:], strict=True):
        offset = torch.arange(size, device=picture.device) - corner[:, None]
        inside.append((offset >= 0) & (offset < window))
    return (inside[0][:, None, :, None] & inside[1][:, None, None, :]).to(picture)


def feature_ablation(question: Question) -> Pieces:
    """Yield the loss of the score per cell of the grid; cells not asked yet are 0."""
    grid = question.whole("grid")
    cells = _cells(question.picture, grid)
    losses = torch.zeros(grid**2).to(question.picture)
    whole = question.scores(question.picture)
    for chosen, done in spread(grid**2, _WITHOUT_GRADIENTS * piece_size(question)):
        numbers = torch.arange(grid**2, device=cells.device)[chosen]
        kept = (cells != numbers[:, None, None]).to(question.picture)[:, None]
        losses[chosen] = whole - question.scores(question.picture * kept)
        yield Piece(losses[cells].expand(3, -1, -1), done)


def shapley_value_sampling(question: Question) -> Pieces:
    """Yield what a cell adds to the score, averaged over the random orders so far.

    In each order the cells come in one after the other, from the zero picture to the whole one, so
    that the gains of an order sum to the change of the score.
    """
    grid, samples = question.whole("grid"), question.whole("samples")
    features = grid**2
    cells = _cells(question.picture, grid).cpu()
    orders = _orders(features, samples, question.whole("seed"))
    zero = float(question.scores(torch.zeros_like(question.picture)))
    gains = torch.zeros(features, dtype=torch.float64)
    counts = torch.zeros(features, dtype=torch.float64)
    last = zero
    for chosen, done in runs(samples * features, _WITHOUT_GRADIENTS * piece_size(question)):
        here = torch.tensor(chosen)
        order, place = here // features, here % features
        ranks = orders[order].argsort(1)  # of every cell, in the order of each picture
        present = (ranks <= place[:, None])[:, cells].to(question.picture)[:, None]
        scores = question.scores(question.picture * present).cpu().double()
        before = torch.cat([torch.tensor([last], dtype=torch.float64), scores[:-1]])
        before[place == 0] = zero
        last = float(scores[-1])
        added = orders[order, place]
        gains.index_add_(0, added, scores - before)
        counts.index_add_(0, added, torch.ones_like(scores))
        mean = gains / counts.clamp(min=1)
        error = completeness(question, float(mean.sum())) if done else None
        yield Piece(mean.float().to(question.picture.device)[cells].expand(3, -1, -1), done, error)


def _cells(picture: Tensor, grid: int) -> Tensor:
    """Return which cell of the grid each pixel is in: (H, W), row by row."""
    rows, columns = (torch.arange(size, device=picture.device) * grid // size for size in picture.shape[2:])
    return rows[:, None] * grid + columns


def _orders(features: int, samples: int, seed: int) -> Tensor:
    """Return random orders of the cells: (samples, features)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(features, generator=generator) for _ in range(samples)])
