"""Held-out figures, computed on a network at rest, piece by piece so that training never stops long."""

import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.batches import Batches
from core.network import ResidualNetwork

PIECE_SECONDS = 0.04
LARGEST_PIECE = 500
MOST_EVALUATED = 1000  # held-out pictures behind the window's figures


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What one network says of the held-out pictures."""

    logits: NDArray[np.float32]  # (pictures, classes)
    loss: float
    accuracy: float  # in [0, 1]


def evaluated_count(batches: Batches) -> int:
    """How many held-out pictures the window's figures use: the first ones."""
    return min(MOST_EVALUATED, len(batches.held_out))


def evaluate_in_pieces(
    network: ResidualNetwork, batches: Batches, count: int
) -> Generator[None, None, HeldOut]:
    """Evaluate the first `count` held-out pictures on a network in eval mode; yields between pieces."""
    size = 32
    logits: list[Tensor] = []
    done = 0
    while done < count:
        began = time.perf_counter()
        pictures = batches.normalised(batches.held_out[done : min(done + size, count)])
        with torch.inference_mode():
            logits.append(network(pictures).to("cpu", torch.float32))
        done += len(pictures)
        # pieces of about equal time, whatever the network costs
        taken = max(time.perf_counter() - began, 1e-4)
        size = int(min(max(8, len(pictures) * PIECE_SECONDS / taken), LARGEST_PIECE))
        yield
    return figures(torch.cat(logits), batches.held_out_labels[:count].to("cpu"))


def evaluate(network: ResidualNetwork, batches: Batches, count: int) -> HeldOut:
    """Evaluate in one go with a fixed batch, so that the figure depends on nothing but the weights."""
    was_training = network.training
    network.eval()
    logits = []
    with torch.inference_mode():
        for start in range(0, count, LARGEST_PIECE):
            pictures = batches.held_out[start : min(start + LARGEST_PIECE, count)]
            logits.append(network(batches.normalised(pictures)).to("cpu", torch.float32))
    network.train(was_training)
    return figures(torch.cat(logits), batches.held_out_labels[:count].to("cpu"))


def figures(logits: Tensor, labels: Tensor) -> HeldOut:
    """Loss and accuracy of logits (N, classes) against labels (N,)."""
    # a clone: tensors made in inference mode may not leave it otherwise
    plain = logits.clone()
    loss = F.cross_entropy(plain, labels).item()
    accuracy = (plain.argmax(1) == labels).float().mean().item()
    return HeldOut(plain.numpy().copy(), loss, accuracy)
