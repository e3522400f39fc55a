# TITLE
#
# Everything is here: the block with its strengths, the lanes, the data, the training. Needs torch, and
# torchvision for the pictures. Run it with --data FOLDER (where torchvision finds or puts the data set;
# add --download to let it fetch what is missing), or with --synthetic on random pictures.
# A step's batch, each weight at the start and the recipe are Skipscope's own, so on the same data the
# first losses agree to six digits (in bfloat16 to two); from there the rounding grows, as in any training.
# What was toggled while the run was on is not in here.
import argparse
import hashlib
import math

import torch
from torch import nn
from torch.nn import functional as F

# <settings>
DATASET, IMAGE_SIZE, BATCH_SIZE, SEED = "fashion-mnist", 28, 32, 0
STEPS, EPOCHS = None, 10  # the length in steps, or where that is None in epochs
MOMENTUM, WEIGHT_DECAY, SCHEDULE, AUGMENT = 0.9, 5e-4, "constant", False
PRECISION = "float32"
LANES = []
# </settings>

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def conv(before, after, size, stride, lane):
    return nn.Conv2d(before, after, size, stride, size // 2, bias=lane["norm"] == "none")


def norm(channels, lane):
    return nn.BatchNorm2d(channels) if lane["norm"] == "batch" else nn.Identity()


class ZeroPadding(nn.Module):
    """A shortcut without parameters: every second pixel, the new channels zero."""

    def __init__(self, channels, stride):
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))


class Block(nn.Module):
    """y = act(branch · F(x) + shortcut · S(x)); pre-activation: no act after the sum.

    What has strength 0 is not computed and gets no gradient, so it is not trained either.
    """

    def __init__(self, before, after, stride, shortcut_strength, branch_strength, lane):
        super().__init__()
        self.order = lane["block"]
        self.shortcut_strength, self.branch_strength = shortcut_strength, branch_strength
        act = ACTIVATIONS[lane["activation"]]
        self.conv1 = conv(before, after, 3, stride, lane)
        self.bn1 = norm(after if self.order == "post" else before, lane)
        self.act1 = act()
        self.conv2, self.bn2 = conv(after, after, 3, 1, lane), norm(after, lane)
        self.act2 = act()
        self.shortcut = nn.Identity()
        self.projects = stride != 1 or before != after
        if self.projects and lane["projection"] == "pad":
            self.shortcut = ZeroPadding(after, stride)
        elif self.projects:
            projection = conv(before, after, 1, stride, lane)
            own_norm = [norm(after, lane)] if self.order == "post" else []
            self.shortcut = nn.Sequential(projection, *own_norm)

    def forward(self, x):
        y = 0
        if self.branch_strength:
            if self.order == "post":
                branch = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
            else:
                branch = self.conv2(self.act2(self.bn2(self.conv1(self.act1(self.bn1(x))))))
            y = self.branch_strength * branch
        if self.shortcut_strength:
            shared = self.order == "pre_shared" and self.projects
            y = y + self.shortcut_strength * self.shortcut(self.act1(self.bn1(x)) if shared else x)
        if not self.branch_strength and not self.shortcut_strength:
            y = torch.zeros_like(self.conv1(x))
        return self.act2(y) if self.order == "post" else y


class Network(nn.Module):
    def __init__(self, lane):
        super().__init__()
        width, large, order = lane["width"], lane["stem"] == "7x7", lane["block"]
        stages = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}.get(lane["depth"], ((lane["depth"] - 2) // 6,) * 3)
        act = ACTIVATIONS[lane["activation"]]
        self.conv1 = conv(3, width, 7 if large else 3, 2 if large else 1, lane)
        activated = order == "post" or large  # pre-activation has its norm at the end instead
        self.bn1 = norm(width, lane) if activated else nn.Identity()
        self.act1 = act() if activated else nn.Identity()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        strengths = iter(zip(lane["shortcuts"], lane["branches"]))
        before = width
        self.stages = len(stages)
        for stage, count in enumerate(stages):
            after, blocks = width * 2**stage, []
            for position in range(count):
                stride = 2 if stage and not position else 1
                blocks.append(Block(before, after, stride, *next(strengths), lane))
                before = after
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn_last = norm(before, lane) if order == "pre" else nn.Identity()
        self.act_last = act() if order == "pre" else nn.Identity()
        self.fc = nn.Linear(before, lane["classes"])

    def forward(self, x):
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(self.act_last(self.bn_last(x)).mean((2, 3)))


def generator(name):
    """Random numbers that depend on the seed and a name only."""
    digest = hashlib.sha256(f"{SEED}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@torch.no_grad()
def initialise(network, lane):
    """Draw each parameter by its name: lanes start with the same weights where they have the same layers."""
    modules = dict(network.named_modules())
    for name, parameter in network.named_parameters():
        layer, is_weight = modules[name.rpartition(".")[0]], name.endswith("weight")
        if isinstance(layer, nn.BatchNorm2d):
            parameter.fill_(1.0 if is_weight else 0.0)
        elif isinstance(layer, nn.Conv2d) and lane["init"] == "he":
            deviation = math.sqrt(2 / (layer.out_channels * layer.kernel_size[0] ** 2))
            parameter.normal_(0, deviation, generator=generator(name)) if is_weight else parameter.zero_()
        else:
            bound = 1 / math.sqrt(layer.weight[0].numel())
            parameter.uniform_(-bound, bound, generator=generator(name))
    factor = {"normal": 1.0, "small": 0.1, "zero": 0.0}[lane["branch_init"]]
    for block in network.modules():
        if isinstance(block, Block) and factor != 1:
            ends_in_norm = lane["block"] == "post" and lane["norm"] == "batch"
            for parameter in (block.bn2 if ends_in_norm else block.conv2).parameters():
                parameter.mul_(factor)


def load_pictures(options):
    """Return the training pictures (N, C, H, W), bytes, and their labels (N,)."""
    classes = LANES[0]["classes"]
    if options.synthetic:
        size, random = (4 * BATCH_SIZE, 3, IMAGE_SIZE, IMAGE_SIZE), generator("synthetic")
        pictures = torch.randint(0, 256, size, dtype=torch.uint8, generator=random)
        return pictures, torch.randint(0, classes, (len(pictures),), generator=random)
    from torchvision import datasets, transforms

    kinds = {"fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
    if DATASET not in kinds:  # a folder of class folders; Skipscope holds a fifth of it out, this does not
        parts = transforms.Resize(IMAGE_SIZE), transforms.CenterCrop(IMAGE_SIZE), transforms.PILToTensor()
        found = datasets.ImageFolder(DATASET, transforms.Compose(parts))
        return torch.stack([picture for picture, _ in found]), torch.tensor(found.targets)
    # without --download nothing is fetched: the data set must be in the folder already
    found = getattr(datasets, kinds[DATASET])(options.data, train=True, download=options.download)
    pictures = torch.as_tensor(found.data)
    pictures = pictures[:, None] if pictures.ndim == 3 else pictures.permute(0, 3, 1, 2).contiguous()
    return pictures, torch.as_tensor(found.targets)


class Batches:
    """Reshuffled each epoch; a batch depends on the seed and the step only."""

    def __init__(self, pictures, labels, device):
        self.pictures, self.labels, self.device = pictures, labels, device
        self.per_epoch = len(labels) // BATCH_SIZE
        channels = pictures.shape[1]
        counts = [torch.bincount(pictures[:, c].flatten(), minlength=256) for c in range(channels)]
        share = torch.stack(counts).double() / pictures[:, 0].numel()
        values = torch.arange(256).double() / 255
        mean = share @ values
        std = (share * (values - mean[:, None]) ** 2).sum(1).sqrt()
        std[std == 0] = 1
        self.mean, self.std = (each.float().view(1, -1, 1, 1) for each in (mean, std))

    def __getitem__(self, step):
        epoch, place = divmod(step - 1, self.per_epoch)
        order = torch.randperm(len(self.labels), generator=generator(f"epoch {epoch}"))
        chosen = order[place * BATCH_SIZE : (place + 1) * BATCH_SIZE]
        x = self.pictures[chosen]
        x = (augmented(x, generator(f"augment {step}")) if AUGMENT else x).float()
        if x.shape[-2:] != (IMAGE_SIZE, IMAGE_SIZE):
            smaller = x.shape[-1] > IMAGE_SIZE
            x = F.interpolate(x, (IMAGE_SIZE, IMAGE_SIZE), mode="area" if smaller else "bilinear")
        x = (x / 255 - self.mean) / self.std
        return x.expand(-1, 3, -1, -1).contiguous().to(self.device), self.labels[chosen].to(self.device)


def augmented(pictures, random):
    """A random crop with a black margin of an eighth, and a flip of every second picture."""
    count, _, height, width = pictures.shape
    margin = max(1, height // 8)
    padded = F.pad(pictures, (margin,) * 4)
    offsets = torch.randint(0, 2 * margin + 1, (2, count), generator=random)
    flips = torch.rand(count, 1, generator=random) < 0.5
    made = []
    for picture, top, left, flip in zip(padded, *offsets.tolist(), flips[:, 0].tolist()):
        picture = picture[:, top : top + height, left : left + width]
        made.append(picture.flip(-1) if flip else picture)
    return torch.stack(made)


def train(batches, steps, device, say=print):
    """Train every lane on the same batches; return each lane's losses."""
    networks, optimisers = [], []
    for lane in LANES:
        networks.append(Network(lane))
        initialise(networks[-1], lane)
        networks[-1].to(device).train()
        optimisers.append(torch.optim.SGD(
            networks[-1].parameters(), lane["learning_rate"], momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        ))  # fmt: skip
    losses = [[] for _ in LANES]
    for step in range(1, steps + 1):
        pictures, labels = batches[step]
        for number, (network, optimiser, lane) in enumerate(zip(networks, optimisers, LANES)):
            if SCHEDULE == "cosine":
                rate = lane["learning_rate"] * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
                optimiser.param_groups[0]["lr"] = rate
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=PRECISION == "bfloat16"):
                loss = F.cross_entropy(network(pictures), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses[number].append(loss.item())
        if step == 1 or step % 10 == 0 or step == steps:
            row = "  ".join(f"{lane['name']} {own[-1]:.6f}" for lane, own in zip(LANES, losses))
            say(f"step {step}  loss  {row}")
    return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data", help="the folder torchvision looks for the data set in")
    parser.add_argument("--download", action="store_true", help="let torchvision download it")
    parser.add_argument("--synthetic", action="store_true", help="random pictures instead")
    parser.add_argument("--steps", type=int, help="another length")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    batches = Batches(*load_pictures(options), options.device)
    train(batches, options.steps or STEPS or EPOCHS * batches.per_epoch, options.device)


if __name__ == "__main__":
    main()
