"""The `explain` rows of `bench`: how soon a map is there while training goes on, and each method against Captum.

Captum is called directly on the same network, once as it comes and once with the batching that is
quickest here. Turn by turn, with the same parameters.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from core.attribution import attribute
from core.device import threads
from core.engine import Engine
from core.messages import Event, Explain, Explanation, LibrariesLoaded, Setup, TrainingSlice
from core.methods import METHODS, Size, Values, values
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, default_run
from core.snapshot import Snapshot, snapshot

FIRST_MAPS = 20
FIRST_MAP_MS = 100.0  # and a lane's step
SLOWER = 1.1  # than Captum with its best batching, at most
OCCLUSION_GAIN = 5.0  # over Captum's defaults, at 28 × 28
BATCHES = (8, 16, 32, 64)
TURNS, FEWER_TURNS, LONG_TURNS = 60, 9, 3
SHORT_SECONDS = 0.1
LONG_SECONDS = 1.0  # a map that takes longer gets three turns
Call = Callable[[int | None], object]  # with so many pictures at once; None: as Captum has it


def rows() -> list[dict[str, Any]]:
    """Measure the first map, then every method at 28 × 28 and the usual ones at 224 × 224."""
    torch.set_num_threads(threads())
    made = [_first_map()]
    small = _Case(_network(NetworkSettings(width=16)), _picture(28))
    large = _Case(_network(NetworkSettings(width=64, stem="7x7")), _picture(224))
    made += [row for method in METHODS for row in _method_rows(small, method)]
    for method in ("saliency", "grad_cam", "integrated_gradients"):
        made += _method_rows(large, method)
    return made


def _network(settings: NetworkSettings) -> Snapshot:
    network = ResidualNetwork(settings)
    initialise(network, 0)
    return snapshot(network)


def _picture(side: int) -> Tensor:
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(0))


# ---- the first map ------------------------------------------------------------------------------


def _first_map() -> dict[str, Any]:
    """Time from asking to the first map, in the default run; the peer is a lane's step."""
    events: list[Event] = []
    engine = Engine(events.append, record=False, evaluate=True)
    engine.open()
    engine.submit(Setup(default_run(False)))
    while not any(isinstance(event, LibrariesLoaded) for event in events):
        engine.tick(0)
    waits, steps = [], []
    for turn in range(FIRST_MAPS + 1):
        for _ in range(6):
            began = time.perf_counter()
            engine.tick(0)
            steps.append(time.perf_counter() - began)
        request = Explain(turn, "saliency")
        began = time.perf_counter()
        engine.submit(request)
        while not any(_shows(event, request) for event in events):
            engine.tick(0)
        if turn:  # the first one warms up
            waits.append(time.perf_counter() - began)
        events[:] = [event for event in events if not isinstance(event, TrainingSlice)]
    engine.close()
    step, wait = 1000 * statistics.median(steps), 1000 * statistics.median(waits)
    quarters = sorted(1000 * each for each in waits)
    goal = FIRST_MAP_MS + step
    return {
        "row": "explain: first map of a 28 × 28 picture while training (ms; peer: a lane's step)",
        "ours": wait, "peer": step, "ratio": wait / step, "goal": goal, "met": wait <= goal,
        "spread": [quarters[len(quarters) // 4], quarters[3 * len(quarters) // 4]],
    }  # fmt: skip


def _shows(event: Event, request: Explain) -> bool:
    return (
        isinstance(event, Explanation)
        and event.request == request.id
        and any(each.attribution is not None for each in event.networks)
    )


# ---- methods ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    network: Snapshot
    picture: Tensor  # (3, S, S)

    @property
    def size(self) -> Size:
        return Size(min(self.picture.shape[1:]), len(self.network.blocks))


def _method_rows(case: _Case, method: str) -> Iterator[dict[str, Any]]:
    call = _PEERS[method](case, values(method, (), case.size))

    def ours() -> object:
        return attribute(case.network, case.picture, method, 0)

    best = min((None, *BATCHES), key=lambda batch: _seconds(call, batch)) if method in _BATCHED else None
    side = case.picture.shape[1]
    yield _row(f"explain: {method} at {side} × {side} against Captum's best batching (ms)", ours,
               lambda: call(best), 1 / SLOWER)  # fmt: skip
    if method in _BATCHED:
        goal = OCCLUSION_GAIN if method == "occlusion" else 1 / SLOWER
        yield _row(f"explain: {method} at {side} × {side} against Captum's defaults (ms)", ours,
                   lambda: call(None), goal)  # fmt: skip


def _seconds(call: Call, batch: int | None) -> float:
    began = time.perf_counter()
    call(batch)
    return time.perf_counter() - began


def _row(name: str, ours: Callable[[], object], peer: Callable[[], object], goal: float) -> dict[str, Any]:
    times: tuple[list[float], list[float]] = ([], [])
    turns = TURNS
    turn = -1
    while turn < turns:
        for made, kept in zip((ours, peer), times, strict=True):
            began = time.perf_counter()
            made()
            taken = time.perf_counter() - began
            if taken > SHORT_SECONDS:
                turns = min(turns, LONG_TURNS if taken > LONG_SECONDS else FEWER_TURNS)
            if turn >= 0:
                kept.append(taken)
        turn += 1
    mine, theirs = (statistics.median(kept) for kept in times)
    pairs = sorted(b / a for a, b in zip(*times, strict=True))
    ratio = statistics.median(pairs)
    return {
        "row": name, "ours": 1000 * mine, "peer": 1000 * theirs, "ratio": ratio, "goal": goal,
        "met": ratio >= goal, "spread": [pairs[len(pairs) // 4], pairs[3 * len(pairs) // 4]],
    }  # fmt: skip


# ---- Captum, called directly --------------------------------------------------------------------


def _gradient(name: str, **fixed: Any) -> Callable[[_Case, Values], Call]:
    def make(case: _Case, _values: Values) -> Call:
        import captum.attr

        explainer = getattr(captum.attr, name)(case.network)
        return lambda _batch: explainer.attribute(_traced(case), target=0, **fixed)

    return make


def _traced(case: _Case) -> Tensor:
    return case.picture[None].clone().requires_grad_()


def _layer(case: _Case) -> torch.nn.Module:
    return case.network.blocks[-1]


def _grad_cam(case: _Case, _values: Values) -> Call:
    from captum.attr import LayerGradCam

    explainer = LayerGradCam(case.network, _layer(case))

    def call(_batch: int | None) -> object:
        coarse = explainer.attribute(_traced(case), 0)
        return F.interpolate(coarse.detach(), case.picture.shape[1:], mode="bilinear", align_corners=False)

    return call


def _guided_grad_cam(case: _Case, _values: Values) -> Call:
    from captum.attr import GuidedGradCam

    explainer = GuidedGradCam(case.network, _layer(case))
    return lambda _batch: explainer.attribute(_traced(case), 0, interpolate_mode="bilinear")


def _integrated_gradients(case: _Case, chosen: Values) -> Call:
    from captum.attr import IntegratedGradients

    explainer = IntegratedGradients(case.network)
    return lambda batch: explainer.attribute(
        case.picture[None], target=0, n_steps=int(chosen["steps"]), internal_batch_size=batch
    )


def _gradient_shap(case: _Case, chosen: Values) -> Call:
    from captum.attr import GradientShap

    explainer = GradientShap(case.network)
    return lambda _batch: explainer.attribute(
        case.picture[None], torch.zeros_like(case.picture[None]), int(chosen["samples"]),
        float(chosen["noise"]), 0,
    )  # fmt: skip


def _smooth_grad(case: _Case, chosen: Values) -> Call:
    from captum.attr import NoiseTunnel, Saliency

    explainer = NoiseTunnel(Saliency(case.network))
    spread = float(chosen["noise"]) * float(case.picture.max() - case.picture.min())
    return lambda batch: explainer.attribute(
        _traced(case), nt_type="smoothgrad", nt_samples=int(chosen["samples"]), stdevs=spread,
        nt_samples_batch_size=batch, target=0, abs=False,
    )  # fmt: skip


def _occlusion(case: _Case, chosen: Values) -> Call:
    from captum.attr import Occlusion

    explainer = Occlusion(case.network)
    window, stride = int(chosen["window"]), int(chosen["stride"])
    return lambda batch: explainer.attribute(
        case.picture[None], (3, window, window), (3, stride, stride), target=0,
        perturbations_per_eval=batch or 1,
    )  # fmt: skip


def _cells(case: _Case, chosen: Values) -> Tensor:
    side, grid = case.picture.shape[1], int(chosen["grid"])
    place = torch.arange(side) * grid // side
    return (place[:, None] * grid + place[None, :])[None, None]


def _feature_ablation(case: _Case, chosen: Values) -> Call:
    from captum.attr import FeatureAblation

    explainer, mask = FeatureAblation(case.network), _cells(case, chosen)
    return lambda batch: explainer.attribute(
        case.picture[None], target=0, feature_mask=mask, perturbations_per_eval=batch or 1
    )


def _shapley(case: _Case, chosen: Values) -> Call:
    from captum.attr import ShapleyValueSampling

    explainer, mask = ShapleyValueSampling(case.network), _cells(case, chosen)
    return lambda batch: explainer.attribute(
        case.picture[None], target=0, feature_mask=mask, n_samples=int(chosen["samples"]),
        perturbations_per_eval=batch or 1,
    )  # fmt: skip


def _activation(case: _Case, _values: Values) -> Call:
    from captum.attr import LayerActivation

    explainer = LayerActivation(case.network, _layer(case))

    def call(_batch: int | None) -> object:
        found = explainer.attribute(case.picture[None]).mean(1, keepdim=True)
        return F.interpolate(found.detach(), case.picture.shape[1:], mode="bilinear", align_corners=False)

    return call


def _conductance(case: _Case, chosen: Values) -> Call:
    from captum.attr import LayerConductance

    explainer = LayerConductance(case.network, _layer(case))
    return lambda batch: explainer.attribute(
        case.picture[None], target=0, n_steps=int(chosen["steps"]), internal_batch_size=batch
    )


_PEERS: Mapping[str, Callable[[_Case, Values], Call]] = {
    "saliency": _gradient("Saliency", abs=False),
    "input_x_gradient": _gradient("InputXGradient"),
    "integrated_gradients": _integrated_gradients,
    "guided_backprop": _gradient("GuidedBackprop"),
    "grad_cam": _grad_cam,
    "guided_grad_cam": _guided_grad_cam,
    "deep_lift": _gradient("DeepLift"),
    "gradient_shap": _gradient_shap,
    "smooth_grad": _smooth_grad,
    "occlusion": _occlusion,
    "feature_ablation": _feature_ablation,
    "shapley_value_sampling": _shapley,
    "activation": _activation,
    "conductance": _conductance,
}
_BATCHED = (
    "integrated_gradients", "smooth_grad", "occlusion", "feature_ablation", "shapley_value_sampling",
    "conductance",
)  # fmt: skip
