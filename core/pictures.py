"""The one place where foreign picture bytes are opened; every byte of them is distrusted.

Training, the window and the command line all read pictures here, so that the pixels shown are the
pixels explained. Knows no torch.
"""

import io
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from core.messages import readonly
from core.notices import Notice, SkipscopeError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff")
)
MAX_PIXELS = 64_000_000
MAX_BYTES = 512 * 2**20
# Above this a picture is halved on the way in: no network sees more than a fraction of it.
# Measured at 64 megapixels: 200 to 400 MB, but 1 GB for WebP, whose decoder keeps more canvases.
_LARGE = 24_000_000
_STRIP = 1_000_000  # pixels converted at a time
_MAX_ARRAY = 16_000_000  # numbers in a .npy

Pixels: TypeAlias = NDArray[np.uint8]

# What Pillow raises from damaged metadata that the pixels do not need.
_METADATA_FAULTS = (SyntaxError, ValueError, LookupError, TypeError, OSError, EOFError, struct.error)

# By filter, not by catch_warnings, which is not safe with several threads. The bomb becomes an
# error that is caught below; remarks on odd metadata are of no use to anyone.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class PictureError(SkipscopeError):
    """A picture that cannot be used."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as 8-bit RGB, and what was done to make it that."""

    name: str
    pixels: Pixels  # (height, width, 3), read-only
    notes: tuple[Notice, ...] = ()


def is_picture_name(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends like a picture's; what the file holds is another matter."""
    return os.path.splitext(path)[1].lower() in SUFFIXES


def load_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a picture file; raise PictureError with the reason if that cannot be done."""
    name = _display_name(path)
    with _regular_file(path, name) as file:
        return _read(file, name)


def picture_from_bytes(data: bytes, name: str) -> Picture:
    """Read a picture from memory, such as the clipboard."""
    if len(data) > MAX_BYTES:
        raise PictureError("{name} is over {most} MB", name=name, most=MAX_BYTES // 2**20)
    with io.BytesIO(data) as file:
        return _read(file, name)


def load_array(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a .npy of shape (3, height, width), taken as already sized and normalised."""
    name = _display_name(path)
    with _regular_file(path, name) as file:
        try:
            shape, dtype = _array_header(file)
            _check_array(shape, dtype, name)
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
        except PictureError:
            raise
        except Exception as error:
            raise PictureError("{name} is not a NumPy array that can be read", name=name) from error
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes inf, and is refused
        values = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(values).all():
        raise PictureError("{name} holds values that are not finite", name=name)
    return values


# ---- files --------------------------------------------------------------------------------


@contextmanager
def _regular_file(path: str | os.PathLike[str], name: str) -> Iterator[BinaryIO]:
    """Open a regular file and nothing else: no FIFO can block here, no device is touched."""
    try:
        _check_kind(os.stat(path), name)
        # The file may be swapped after the look at it, hence no blocking and a second look.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags | getattr(os, "O_CLOEXEC", 0)), "rb")
    except FileNotFoundError:
        raise PictureError("{name} does not exist", name=name) from None
    except PermissionError:
        raise PictureError("{name} may not be read by this user", name=name) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError("{name} cannot be opened: {reason}", name=name, reason=reason) from error
    with file:
        _check_kind(os.fstat(file.fileno()), name)
        yield file


def _check_kind(status: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise PictureError("{name} is a folder, not a picture", name=name)
    if not stat.S_ISREG(status.st_mode):
        raise PictureError("{name} is not a regular file", name=name)
    if status.st_size == 0:
        raise PictureError("{name} is empty", name=name)
    if status.st_size > MAX_BYTES:
        raise PictureError("{name} is over {most} MB", name=name, most=MAX_BYTES // 2**20)


def _display_name(path: str | os.PathLike[str]) -> str:
    """The file's name with bytes that are no text replaced, so that it can always be printed."""
    name = Path(path).name or str(path)
    return name.encode("utf-8", "replace").decode()


# ---- decoding -----------------------------------------------------------------------------


def _read(file: BinaryIO, name: str) -> Picture:
    try:
        with Image.open(file, formats=FORMATS) as image:
            return _decode(image, name)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        file.seek(0)
        raise PictureError(_unknown_content(file.read(512)), name=name) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name) from error
    except MemoryError as error:
        raise PictureError("{name} needs more memory than there is", name=name) from error
    except Exception as error:
        # Pillow's readers raise whatever the damage makes of them: OSError, SyntaxError, struct.error …
        raise PictureError("{name} is damaged or incomplete", name=name) from error


def _unknown_content(head: bytes) -> str:
    if not head:
        return "{name} is empty"
    with suppress(UnicodeDecodeError):
        # The last character may be cut by the 512 bytes.
        text = head[:-4].decode() if len(head) == 512 else head.decode()
        if "\0" not in text:
            page = text.lstrip().lower().startswith(("<!doctype html", "<html"))
            return "{name} is a web page, not a picture" if page else "{name} is text, not a picture"
    return "{name} is not a PNG, JPEG, WebP, BMP, GIF or TIFF picture, or is damaged"


def _too_many_pixels(name: str) -> PictureError:
    return PictureError("{name} has more than {most} million pixels", name=name, most=MAX_PIXELS // 10**6)


def _decode(image: Image.Image, name: str) -> Picture:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(name)
    if min(width, height) < 1:
        raise PictureError("{name} has no pixels", name=name)
    notes = _depth_notes(image)
    halve = width * height > _LARGE
    if halve:
        notes.append(Notice("halved from {width} × {height} pixels", {"width": width, "height": height}))
        if image.format == "JPEG":
            image.draft(None, (width // 2, height // 2))  # decodes at half size
    image.load()
    orientation = _orientation(image)
    factor = 2 if halve and image.width * image.height > _LARGE else 1
    pixels = np.concatenate([_shrink(strip, factor) for strip in _rgb_strips(image, name, notes)])
    if _has_more_frames(image):
        notes.append(Notice("the first of several frames"))
    pixels = np.ascontiguousarray(_upright(pixels, orientation))
    return Picture(name, readonly(pixels), tuple(notes))


def _depth_notes(image: Image.Image) -> list[Notice]:
    """Say where 8 bits lose something; asked before loading, which forgets the raw mode."""
    for tile in getattr(image, "tile", [])[:1]:
        raw = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
        if "16" in str(raw) and raw != "BGR;16":  # the latter is a BMP's 5-6-5
            return [Notice("16 bits a channel, read as 8")]
    return []


def _has_more_frames(image: Image.Image) -> bool:
    with suppress(*_METADATA_FAULTS):
        # MPO is the phones' JPEG with a preview or a depth map behind the photograph.
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    return False


def _orientation(image: Image.Image) -> int:
    with suppress(*_METADATA_FAULTS):
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn as EXIF says (1 to 8); anything else is left alone."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _shrink(strip: Pixels, factor: int) -> Pixels:
    if factor == 1:
        return strip
    return np.asarray(Image.fromarray(strip).reduce(factor))


# ---- colour -------------------------------------------------------------------------------


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """Cut into bands of an even number of rows, so that conversions need little memory."""
    rows = max(2, _STRIP // image.width // 2 * 2)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _rgb_strips(image: Image.Image, name: str, notes: list[Notice]) -> Iterator[Pixels]:
    if image.mode.startswith("I;16"):
        yield from _from_16_bit(image)
    elif image.mode in ("I", "F"):
        yield from _from_range(image, name, notes)
    elif image.has_transparency_data:
        yield from _over_white(image, notes)
    else:
        if image.mode == "CMYK":
            notes.append(Notice("converted from CMYK"))
        for strip in _strips(image):
            yield np.asarray(strip.convert("RGB"))


def _from_16_bit(image: Image.Image) -> Iterator[Pixels]:
    transparent = image.info.get("transparency")
    for strip in _strips(image):
        values = np.asarray(strip).astype(np.uint32)
        grey = ((values + 128) // 257).astype(np.uint8)  # Pillow would cut off at 255
        if isinstance(transparent, int):
            grey[values == transparent] = 255
        yield _three(grey)


def _from_range(image: Image.Image, name: str, notes: list[Notice]) -> Iterator[Pixels]:
    """Spread numbers without a fixed range from black (lowest) to white (highest)."""
    low, high, broken = np.inf, -np.inf, False
    for strip in _strips(image):
        values = np.asarray(strip)
        finite = values[np.isfinite(values)]
        broken |= finite.size < values.size
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise PictureError("{name} holds no finite value", name=name)
    notes.append(Notice("brightness spread from {low:g} to {high:g}", {"low": low, "high": high}))
    if broken:
        notes.append(Notice("values that are no numbers shown black"))
    for strip in _strips(image):
        values = np.nan_to_num(np.asarray(strip, np.float64), nan=low, posinf=high, neginf=low)
        share = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
        yield _three(np.rint(share * 255).astype(np.uint8))


def _over_white(image: Image.Image, notes: list[Notice]) -> Iterator[Pixels]:
    said = False
    for strip in _strips(image):
        rgba = np.asarray(strip.convert("RGBA")).astype(np.uint16)
        alpha = rgba[..., 3:]
        if not said and int(alpha.min()) < 255:
            notes.append(Notice("transparent parts shown on white"))
            said = True
        yield ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _three(grey: Pixels) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=2)


# ---- arrays -------------------------------------------------------------------------------


def _array_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and kind before a byte is allocated for them."""
    version = np.lib.format.read_magic(file)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _fortran, dtype = reader[version](file)
    return shape, dtype


def _check_array(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind != "f":
        raise PictureError("{name} must hold float32 numbers, not {dtype}", name=name, dtype=dtype)
    if len(shape) != 3 or shape[0] != 3 or min(shape) < 1:
        said = " × ".join(str(side) for side in shape) or "one number"
        raise PictureError(
            "{name} must have the shape 3 × height × width, not {shape}", name=name, shape=said
        )
    if shape[0] * shape[1] * shape[2] > _MAX_ARRAY:
        raise PictureError("{name} has more than {most} million numbers", name=name, most=_MAX_ARRAY // 10**6)
