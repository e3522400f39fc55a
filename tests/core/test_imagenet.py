"""torchvision's networks from torch's cache, with random weights in place of the published ones."""

import argparse
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
import torch
import torchvision
from captum.attr import LayerGradCam, Saliency
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from core import imagenet
from core.attribution import attribute
from core.checkpoint import Checkpoint, CheckpointError
from core.headless import attribute as attribute_command
from core.headless import predict as predict_command
from core.headless.arguments import parse_command
from core.imagenet import (
    RESNET18,
    RESNET34,
    WEIGHTS,
    Published,
    class_names,
    download,
    is_cached,
    open_weights,
)
from core.messages import (
    Cancel,
    Download,
    Explain,
    Explanation,
    Failed,
    OpenCheckpoint,
    OwnPicture,
    Progress,
    References,
    Setup,
)
from core.network import ResidualNetwork, initialise
from core.pictures import load_picture
from core.settings import NetworkSettings
from core.transform import IMAGENET, fit, prepare
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset
from tests.core.foreign_networks import lived_in

Publish = Callable[[str, nn.Module], Path]
NAMES = {"imagenet": "resnet18", "imagenet-resnet34": "resnet34"}
WORDS = {"shorter side to 256", "centre crop 224", "ImageNet mean and deviation"}


def torchvisions(word: str) -> nn.Module:
    """Return torchvision's own network with weights that are the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return lived_in(getattr(torchvision.models, NAMES[word])())


def small() -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(width=4, stem="7x7", classes=1000))
    initialise(network, seed=5)
    return lived_in(network)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The state dicts of torchvision's networks, saved once."""
    folder = tmp_path_factory.mktemp("states")
    for word, name in NAMES.items():
        state = torchvisions(word).state_dict(keep_vars=True)
        # as the published files have them: as parameters, and without the norms' counters
        kept = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        torch.save(OrderedDict(kept), folder / name)
    return {word: folder / name for word, name in NAMES.items()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], Published]:
    """Publish a file in place of torchvision's, under a name that carries its sum; the cache is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    table = dict(WEIGHTS)
    monkeypatch.setattr(imagenet, "WEIGHTS", table)

    def publish(word: str, file: Path) -> Published:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        link = tmp_path / f"{NAMES[word]}-{digest[:8]}.pth"
        link.hardlink_to(file)
        table[word] = replace(WEIGHTS[word], url=link.as_uri(), size=file.stat().st_size, sha256=digest)
        return table[word]

    return publish


@pytest.fixture
def published(site: Callable[[str, Path], Published], tmp_path: Path) -> Published:
    """A small network where ResNet-18 would be."""
    torch.save(small().state_dict(), tmp_path / "small")
    return site("imagenet", tmp_path / "small")


def source_of(published: Published) -> Path:
    return Path(url2pathname(urlparse(published.url).path))


def in_cache(published: Published) -> Path:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / published.file_name


def put(published: Published) -> Path:
    file = in_cache(published)
    file.write_bytes(source_of(published).read_bytes())
    return file


def picture(folder: Path, height: int = 300, width: int = 400) -> Path:
    """Save a picture that is different all over, and smooth enough not to be noise once it is resized."""
    rows, columns = np.mgrid[0:height, 0:width] / 40
    channels = [np.sin(rows * a + columns * b) for a, b in ((1, 0.3), (-0.4, 1.1), (0.7, -0.9))]
    pixels = ((np.stack(channels, -1) + 1) * 127).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    return folder / "picture.png"


def one_line(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# ---- what is known of torchvision's ------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "weights"),
    [
        ("imagenet", torchvision.models.ResNet18_Weights.IMAGENET1K_V1),
        ("imagenet-resnet18", torchvision.models.ResNet18_Weights.IMAGENET1K_V1),
        ("imagenet-resnet34", torchvision.models.ResNet34_Weights.IMAGENET1K_V1),
    ],
)
def test_what_is_kept_here_is_torchvisions(word: str, weights: torchvision.models.WeightsEnum) -> None:
    known = WEIGHTS[word]
    assert known.url == weights.url
    assert known.file_name.partition("-")[2] == f"{known.sha256[:8]}.pth"
    assert len(known.sha256) == 64
    assert f"{known.size / 2**20:.3f}" == f"{weights.meta['_file_size']:.3f}"
    assert list(class_names()) == weights.meta["categories"]


# ---- the whole path -----------------------------------------------------------------------------


@pytest.mark.parametrize("word", NAMES)
def test_the_path_from_the_cache_to_a_map_is_torchvisions(
    site: Callable[[str, Path], Published], states: dict[str, Path], tmp_path: Path, word: str
) -> None:
    assert not is_cached(word)
    put(site(word, states[word]))
    assert is_cached(word)
    opened = open_weights(word)
    depth = 18 if word == "imagenet" else 34
    assert opened.settings == NetworkSettings(depth=depth, width=64, stem="7x7", classes=1000)
    assert (opened.title, opened.report) == (f"ImageNet ResNet-{depth}", ())
    assert set(opened.transform.words().split(", ")) == WORDS
    assert opened.class_names is not None
    assert (len(opened.class_names), opened.class_names[1]) == (1000, "goldfish")

    peer = torchvisions(word).eval()
    preset = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    with Image.open(picture(tmp_path)) as image:
        theirs = preset(image)
    ours = torch.from_numpy(prepare(load_picture(picture(tmp_path)).pixels, opened.transform))
    assert ours.shape == (3, 224, 224)
    network = opened.network()
    with torch.no_grad():
        wanted, found = peer(theirs[None])[0], network(ours[None])[0]
    assert float(wanted.std()) > 1e-3, "the comparison would not notice a mistake"
    assert float((wanted - found).abs().max() / wanted.abs().max()) <= 1e-5

    target = int(wanted.argmax())
    for method, expected in by_captum(peer, theirs, target).items():
        result = attribute(network, ours, method, target)
        difference = np.abs(result.attribution - expected).max() / np.abs(expected).max()
        assert difference <= 1e-4, method


def by_captum(peer: nn.Module, picture: Tensor, target: int) -> dict[str, NDArray[np.float32]]:
    """Ask Captum of torchvision's own network."""
    traced = picture[None].clone().requires_grad_()
    saliency = Saliency(peer).attribute(traced, target, abs=False)[0]
    coarse = LayerGradCam(peer, peer.layer4[-1]).attribute(traced, target)
    cam = F.interpolate(coarse, (224, 224), mode="bilinear", align_corners=False)[0]
    return {"saliency": saliency.detach().numpy(), "grad_cam": cam.detach().numpy()}


def test_the_window_can_ask_it_of_a_picture_of_the_users_own(
    site: Callable[[str, Path], Published],
    states: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    use_tiny_dataset(monkeypatch)
    put(site("imagenet", states["imagenet"]))
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.submit(OpenCheckpoint("imagenet", "reference"))
    bench.ticks(lambda: bool(bench.of(References)))
    kept = bench.of(References)[-1]
    assert isinstance(kept, References)
    assert kept.selected == "ImageNet ResNet-18"
    assert str(kept.about[1]) == (
        "ResNet-18, width 64, 1000 classes · 224×224 · shorter side to 256, centre crop 224, "
        "ImageNet mean and deviation"
    )
    pixels = load_picture(picture(tmp_path)).pixels
    asked = Explain(OwnPicture("own", pixels), "saliency", source="ImageNet ResNet-18")
    bench.engine.submit(asked)
    bench.ticks(lambda: any(answer.done for answer in bench.of(Explanation)))  # type: ignore[attr-defined]
    answer = bench.of(Explanation)[-1]
    assert isinstance(answer, Explanation)
    assert (answer.request, answer.label, len(answer.class_names)) == (asked.id, None, 1000)
    assert set(answer.transform.split(", ")) == WORDS
    (only,) = answer.networks
    assert only.attribution is not None
    assert only.attribution.shape == (3, 224, 224)
    assert float(np.abs(only.attribution).max()) > 0
    np.testing.assert_array_equal(answer.picture, fit(pixels, IMAGENET))
    with torch.no_grad():
        expected = torchvisions("imagenet")(torch.from_numpy(prepare(pixels, IMAGENET))[None])[0].softmax(0)
    np.testing.assert_allclose(only.probabilities, expected.numpy(), rtol=1e-3)
    assert bench.of(Failed) == []


# ---- from a file --------------------------------------------------------------------------------


def test_torchvisions_file_is_known_by_its_content(published: Published, tmp_path: Path) -> None:
    elsewhere = tmp_path / "weights of mine.bin"
    elsewhere.write_bytes(put(published).read_bytes())
    opened = open_weights(str(elsewhere))
    assert (opened.title, opened.class_names) == ("ImageNet ResNet-18", class_names())
    assert opened.path == str(elsewhere)


def test_a_file_that_only_looks_like_it_has_no_class_names(published: Published, tmp_path: Path) -> None:
    network = small()
    with torch.no_grad():
        network.fc.bias[0] += 1
    torch.save(network.state_dict(), tmp_path / "other.pth")
    other = tmp_path / "other.pth"
    assert other.stat().st_size == published.size
    opened = open_weights(str(other))
    assert opened.class_names is None
    assert opened.title == "ResNet-18, width 4, 1000 classes"


def test_other_files_open_as_ever(published: Published, tmp_path: Path) -> None:
    torch.save(
        small().state_dict() | {"fc.weight": torch.zeros(7, 32), "fc.bias": torch.zeros(7)}, tmp_path / "7"
    )
    assert open_weights(str(tmp_path / "7")).settings.classes == 7
    for path, reason in (
        ("no-such-file", "no such file"),
        ("null\0byte", "cannot be opened"),
        ("", "a folder"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            open_weights(path)


# ---- what can go wrong --------------------------------------------------------------------------


def test_a_damaged_file_in_the_cache_is_refused_and_replaced_when_asked(published: Published) -> None:
    file = put(published)
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], b""):
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"ResNet-18 in .* is damaged.*downloaded again") as caught:
            open_weights("imagenet")
        assert file.name in one_line(caught)
        assert isinstance(download("imagenet"), Checkpoint)
        assert file.read_bytes() == whole


def test_a_missing_file_is_one_line_that_says_how_much_there_is_to_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for word, known, size in (("imagenet", RESNET18, "46.8 MB"), ("imagenet-resnet34", RESNET34, "87.3 MB")):
        with pytest.raises(CheckpointError) as caught:
            open_weights(word)
        text = one_line(caught)
        assert text.startswith(f"{known.title} is not in {tmp_path}")
        assert f"needs to be downloaded first ({size} from {known.url})" in text
    assert list(tmp_path.iterdir()) == [], "it must not be fetched unasked"


def test_it_is_downloaded_when_asked(published: Published) -> None:
    shares: list[float] = []
    opened = download("imagenet", shares.append)
    assert opened.settings.classes == 1000
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [file.name for file in in_cache(published).parent.iterdir()] == [published.file_name]
    shares.clear()
    download("imagenet", shares.append)
    assert shares == [], "what is there whole is not fetched again"


def test_a_cancelled_download_leaves_nothing(published: Published) -> None:
    with pytest.raises(CheckpointError, match="cancelled"):
        download("imagenet", cancelled=lambda: True)
    assert list(in_cache(published).parent.iterdir()) == []


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + bytes(10**6)], ids=["short", "long"]
)
def test_a_download_that_arrives_damaged_is_thrown_away(
    published: Published, change: Callable[[bytes], bytes]
) -> None:
    source = source_of(published)
    source.write_bytes(change(source.read_bytes()))
    with pytest.raises(CheckpointError, match="arrived damaged"):
        download("imagenet")
    assert list(in_cache(published).parent.iterdir()) == []


def test_without_a_network_one_line_says_so(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(published, url=f"https://127.0.0.1:9/{published.file_name}")
    monkeypatch.setitem(imagenet.WEIGHTS, "imagenet", gone)
    with pytest.raises(CheckpointError, match=r"cannot be downloaded \(.* MB\): no network") as caught:
        download("imagenet")
    one_line(caught)


def test_a_cache_that_cannot_be_made_is_said(published: Published, tmp_path: Path) -> None:
    (tmp_path / "torch").write_text("a file where the cache's folder would be")
    with pytest.raises(CheckpointError, match=r"cannot be written to .*checkpoints") as caught:
        download("imagenet")
    one_line(caught)


def test_the_window_downloads_it_and_keeps_it(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.submit(OpenCheckpoint("imagenet", "reference"))
    bench.ticks(lambda: bool(bench.of(Failed)))
    command = Download("imagenet")
    bench.engine.submit(command)
    bench.ticks(lambda: bool(bench.of(References)))
    shown = [event for event in bench.of(Progress) if event.request == command.id]  # type: ignore[attr-defined]
    assert shown[-1].fraction == 1  # type: ignore[attr-defined]
    assert str(shown[-1].what) == "Downloading ImageNet ResNet-18"  # type: ignore[attr-defined]
    assert bench.of(References)[-1].selected == "ImageNet ResNet-18"  # type: ignore[attr-defined]
    assert len(bench.of(Failed)) == 1


def test_the_windows_download_can_be_cancelled(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    command = Download("imagenet")
    bench.engine.submit(command)
    bench.engine.submit(Cancel(command.id))
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert "cancelled" in str(bench.of(Failed)[0].notice)  # type: ignore[attr-defined]
    assert list(in_cache(published).parent.iterdir()) == []


# ---- the command line ---------------------------------------------------------------------------


def printed(
    command: Callable[[argparse.Namespace], int], arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    assert command(parse_command(arguments)) == 0
    return json.loads(capfd.readouterr().out)


def test_predict_and_attribute_take_the_words(
    published: Published, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(published)
    image = str(picture(tmp_path, 60, 80))
    said = printed(predict_command.command, ["predict", "imagenet", image, "--json"], capfd)
    assert set(said["transform"].split(", ")) == WORDS
    (row,) = said["predictions"]
    assert len(row["logits"]) == 1000
    assert all(each["label"] == class_names()[each["index"]] for each in row["top"])
    made = printed(
        attribute_command.command,
        [
            "attribute",
            "imagenet",
            image,
            "--method",
            "saliency",
            "--out",
            str(tmp_path / "map.npy"),
            "--json",
        ],
        capfd,
    )
    assert made["target"] == row["top"][0]["index"]
    assert np.load(tmp_path / "map.npy").shape == (3, 224, 224)
