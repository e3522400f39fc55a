"""`export`: a recorded run as files for other programs."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from core.export_csv import run_csv
from core.export_script import script
from core.export_tensorboard import tensorboard
from core.exports import checkpoint_of, copy_weights, file_words, lane_number, write_file
from core.headless.arguments import UsageError
from core.headless.output import emit, say
from core.setup_text import setup_text
from core.stored_run import StoredRun, read_run


def command(options: argparse.Namespace) -> int:
    """Run `export`. Weights of several lanes go to FILE-A.ext, FILE-B.ext; with --lane to FILE itself."""
    asked = {target: Path(getattr(options, target)) for target in WRITERS if getattr(options, target)}
    if not asked:
        flags = ", ".join(f"--{target}" for target in WRITERS)
        raise UsageError("name at least one thing to write: {flags}", flags=flags)
    run = read_run(Path(options.run), with_steps=False)
    _check(run, options, asked)
    made: dict[str, Any] = {"run": str(run.directory)}
    notes: list[str] = []
    for target, path in asked.items():
        made[target] = WRITERS[target](run, options, path, notes)
    if notes:
        made["notes"] = notes
    if options.json:
        emit(made)
    else:
        for target in asked:
            say(f"{target}: {made[target]}")
        for note in notes:
            say(note)
    return 0


def _check(run: StoredRun, options: argparse.Namespace, asked: Mapping[str, Path]) -> None:
    """Find what is wrong before the first file is written."""
    for target, path in asked.items():
        if target != "tensorboard" and (not path.name or path.is_dir()):
            raise UsageError(
                "--{target} needs the name of a file, not of a folder: {file}", target=target, file=path
            )
    if options.lane is not None:
        lane_number(run, options.lane)
    if "safetensors" not in asked and "torchvision" not in asked:
        if options.lane is not None or options.step is not None:
            raise UsageError("--lane and --step choose weights: they go with --safetensors or --torchvision")
        return
    for lane in _chosen(run, options):
        checkpoint_of(run, lane, options.step)
    if "torchvision" in asked:
        from core.export_weights import check_counterpart, check_suffix  # these import torch

        check_suffix(asked["torchvision"])
        for settings in run.settings.lanes:
            if settings.name in _chosen(run, options):
                check_counterpart(settings.network)


def _chosen(run: StoredRun, options: argparse.Namespace) -> list[str]:
    return [lane.name for lane in run.settings.lanes if options.lane in (None, lane.name)]


def _targets(run: StoredRun, options: argparse.Namespace, path: Path) -> dict[str, Path]:
    """Return which file each chosen lane's weights go to."""
    chosen = _chosen(run, options)
    if len(chosen) == 1:
        return {chosen[0]: path}
    words = file_words(run)
    return {
        lane: path.with_name(f"{path.stem}-{word}{path.suffix}")
        for lane, word in zip(chosen, words, strict=True)
    }


def _paths(targets: Mapping[str, Path]) -> str | list[str]:
    paths = [str(path) for path in targets.values()]
    return paths[0] if len(paths) == 1 else paths


def _csv(run: StoredRun, _options: argparse.Namespace, path: Path, _notes: list[str]) -> str:
    run_csv(run, path)
    return str(path)


def _tensorboard(run: StoredRun, _options: argparse.Namespace, path: Path, _notes: list[str]) -> list[str]:
    return [str(file) for file in tensorboard(run, path)]


def _safetensors(
    run: StoredRun, options: argparse.Namespace, path: Path, _notes: list[str]
) -> str | list[str]:
    targets = _targets(run, options, path)
    for lane, file in targets.items():
        copy_weights(run, lane, file, options.step)
    return _paths(targets)


def _torchvision(
    run: StoredRun, options: argparse.Namespace, path: Path, notes: list[str]
) -> str | list[str]:
    from core.export_weights import torchvision_weights

    targets = _targets(run, options, path)
    for lane, file in targets.items():
        _, differences = torchvision_weights(run, lane, file, options.step)
        notes.extend(f"{file.name}: {notice}" for notice in differences)
    return _paths(targets)


def _script(run: StoredRun, _options: argparse.Namespace, path: Path, _notes: list[str]) -> str:
    write_file(path, script(run.settings).encode())
    return str(path)


def _setup(run: StoredRun, _options: argparse.Namespace, path: Path, _notes: list[str]) -> str:
    write_file(path, setup_text(run.settings).encode())
    return str(path)


Writer: TypeAlias = Callable[[StoredRun, argparse.Namespace, Path, list[str]], str | list[str]]
WRITERS: Mapping[str, Writer] = {
    "csv": _csv, "tensorboard": _tensorboard, "safetensors": _safetensors, "torchvision": _torchvision,
    "script": _script, "setup": _setup,
}  # fmt: skip
