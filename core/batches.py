"""A data set on the device: batches by step number, and pictures as the network wants them.

Pictures lie there as uint8; normalising, resizing, cropping and flipping are tensor operations on
a whole batch. A batch depends on the run's seed and the step number only, so that a resumed, reset
or replayed run sees the same pictures.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from core.datasets import Dataset
from core.device import moved
from core.network import derived_seed
from core.notices import SkipscopeError
from core.settings import RunSettings


class Batches:
    """Training batches and held-out pictures of one run."""

    def __init__(self, dataset: Dataset, settings: RunSettings, device: torch.device) -> None:
        self._pictures = torch.from_numpy(dataset.images).to(device)  # (N, C, H, W) uint8
        self._labels = torch.from_numpy(dataset.labels).to(device)
        self.held_out = torch.from_numpy(dataset.held_out_images).to(device)
        self.held_out_labels = torch.from_numpy(dataset.held_out_labels).to(device)
        self._seed = settings.seed
        self._augment = settings.augment
        self.batch_size = settings.batch_size
        self.image_size = settings.image_size
        self.steps_per_epoch = len(self._labels) // settings.batch_size
        if not self.steps_per_epoch:
            raise SkipscopeError(
                "a batch of {batch} is larger than the training set of {pictures} pictures",
                batch=settings.batch_size, pictures=len(self._labels),
            )  # fmt: skip
        channels = dataset.images.shape[1]
        # (x / 255 - mean) / std as one multiplication and one addition
        mean = torch.tensor(dataset.mean[:channels], device=device).view(1, -1, 1, 1)
        std = torch.tensor(dataset.std[:channels], device=device).view(1, -1, 1, 1)
        self._scale = 1 / (255 * std)
        self._shift = -mean / std
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return normalised pictures (N, 3, S, S) and labels (N,) of a step, counted from 1."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(derived_seed(self._seed, f"epoch {epoch}"))
            self._order = moved(torch.randperm(len(self._labels), generator=generator), self._labels.device)
            self._epoch = epoch
        chosen = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        pictures = self._pictures[chosen]
        if self._augment:
            generator = torch.Generator().manual_seed(derived_seed(self._seed, f"augment {step}"))
            pictures = augmented(pictures, generator)
        return self.normalised(pictures), self._labels[chosen]

    def normalised(self, pictures: Tensor) -> Tensor:
        """Turn uint8 pictures (N, C, H, W) into what the network takes (N, 3, S, S), channels last."""
        x = pictures.to(torch.float32)
        x = resized(x, self.image_size)
        x = torch.addcmul(self._shift, x, self._scale)
        return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def resized(pictures: Tensor, size: int) -> Tensor:
    """Resize float pictures: area averaging below their size, bilinear above it."""
    side = pictures.shape[-1]
    if side == size and pictures.shape[-2] == size:
        return pictures
    if size < side:
        return F.interpolate(pictures, size=(size, size), mode="area")
    return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)


def augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Crop each picture at random from one padded by an eighth with black, and flip half of them."""
    count, _, height, width = pictures.shape
    margin = max(1, height // 8)
    padded = F.pad(pictures, (margin,) * 4)
    offsets = torch.randint(0, 2 * margin + 1, (2, count, 1), generator=generator)
    flips = torch.rand(count, 1, generator=generator) < 0.5
    rows = offsets[0] + torch.arange(height)  # (N, H)
    columns = offsets[1] + torch.where(flips, torch.arange(width - 1, -1, -1), torch.arange(width))
    device = pictures.device
    index = torch.arange(count, device=device).view(-1, 1, 1, 1)
    channels = torch.arange(pictures.shape[1], device=device).view(1, -1, 1, 1)
    rows, columns = moved(rows, device), moved(columns, device)
    return padded[index, channels, rows[:, None, :, None], columns[:, None, None, :]]
