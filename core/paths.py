"""Where runs, settings and logs live on this machine."""

import os
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """Return the user's data folder for Skipscope; SKIPSCOPE_DATA_DIR overrides it."""
    return Path(
        os.environ.get("SKIPSCOPE_DATA_DIR") or platformdirs.user_data_path("skipscope", appauthor=False)
    )


def asset(*parts: str) -> Path:
    """Return the path of a file that ships with the program."""
    import assets

    return Path(assets.__path__[0]).joinpath(*parts)


def weights_path(text: str) -> Path:
    """Return the file that a lane's checkpoint names: a path, or the embedded "pretrained:with|without"."""
    if text in ("pretrained:with", "pretrained:without"):
        return asset("pretrained", f"resnet18-w16-{text.partition(':')[2]}.safetensors")
    return Path(text)
