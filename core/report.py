"""A page that shows what a network sees in many pictures: one HTML file with everything inside. No torch.

It fetches nothing (its own policy forbids that), runs no script, follows the reader's light or dark and
prints on white. It is made in pieces, so that any number of pictures takes the memory of one.
"""

import base64
import html
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.map_picture import color_bar, diverging, png
from core.overlay import Look, Overlay, Pixels

LOOK = Look()  # of every map on the page
_SHOWN = 196  # CSS pixels: small pictures are enlarged to about this by a whole factor, …
_MOST_SHOWN = 320  # … and large ones shown at this
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class MethodHead:
    """What the page says of a method once."""

    label: str
    explain: str
    parameters: str  # in words; empty where it has none
    baseline: str  # in words; empty where it has none
    reason: str = ""  # why it is not right for this network; its maps are then left out


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the pictures."""

    title: str
    facts: tuple[tuple[str, str], ...]  # name and value
    methods: tuple[MethodHead, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MapCell:
    """One map of a picture, or why there is none."""

    label: str  # of the method
    target: str  # the class explained; empty for a map of no class
    overlay: Overlay | None
    reason: str = ""
    completeness_error: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class PictureRow:
    """One picture with its predictions and maps."""

    name: str
    pixels: Pixels  # (height, width, 3) as the network saw it
    notes: tuple[str, ...]  # what was done to make it that
    top: tuple[tuple[str, float], ...]  # classes and their probabilities, the greatest first
    maps: tuple[MapCell, ...]


@dataclass(frozen=True, slots=True)
class Foot:
    """What stands below the pictures."""

    pictures: int
    left: int  # that an interrupt kept from being explained
    seconds: float
    unreadable: Sequence[tuple[str, str]]  # name and reason
    interrupted: bool


def page_begin(head: Head) -> str:
    """Return the page up to the first picture."""
    facts = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in head.facts)
    methods = "".join(_method(each) for each in head.methods)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(head.title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<header>\n"
        f'<h1>{_text(head.title)}</h1>\n<dl class="facts">{facts}</dl>\n'
        f'<h2>Methods</h2>\n<dl class="methods">{methods}</dl>\n'
        f'<h2>How to read the maps</h2>\n<div class="key"><div class="scale">{_bar()}'
        "<span>against the class</span><span>for the class</span></div>"
        "<p>Where a map says nothing the picture itself is seen. Each map has a scale of its own: the numbers "
        "under it are the ends of its colours, the 99th percentile of its size; what is stronger takes the "
        'end colour.</p></div>\n<p><a href="#summary">To the end of the page: how many pictures, and which '
        "could not be read</a></p>\n</header>\n<main>\n"
    )


def page_picture(row: PictureRow) -> str:
    """Return one picture's part of the page."""
    notes = f'<p class="quiet">{_text("; ".join(row.notes))}</p>' if row.notes else ""
    top = "".join(
        f'<li><span class="filled" style="width:{_share(probability):.1f}%"></span>'
        f'<span class="name"><bdi>{_text(name)}</bdi></span><span>{_text(percent(probability))}</span></li>'
        for name, probability in row.top
    )
    maps = "".join(_map(cell, row) for cell in row.maps)
    return (
        f'<article>\n<h2><bdi>{_text(row.name)}</bdi></h2>{notes}\n<div class="maps">\n'
        f"<figure>{_image(row.pixels, 'the picture as the network sees it')}"
        f'<figcaption><b>Picture</b><ol class="top">{top}</ol></figcaption></figure>\n{maps}</div>\n</article>\n'
    )


def page_end(foot: Foot) -> str:
    """Return the rest of the page."""
    said = f"{_count(foot.pictures)} explained in {foot.seconds:.1f} s"
    if foot.interrupted:
        said += f"; interrupted, {_count(foot.left)} left out"
    said += "."
    broken = ""
    if foot.unreadable:
        rows = "".join(
            f"<li><bdi>{_text(name)}</bdi><br>{_text(reason)}</li>\n" for name, reason in foot.unreadable
        )
        broken = f"<h2>Not readable: {_count(len(foot.unreadable))}</h2>\n<ul>\n{rows}</ul>\n"
    return (
        f'</main>\n<footer id="summary">\n<h2>Summary</h2>\n<p>{said}</p>\n{broken}'
        "</footer>\n</body>\n</html>\n"
    )


def percent(share: float) -> str:
    """Return a share in [0, 1] as 83.1 %; nothing but certainty is 100 %, nothing but zero is 0 %."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{100 * share:.1f} %"


def figure(value: float) -> str:
    """Return a number with three digits: 0.0123, 1.20, 1.20×10⁻⁵."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:#.3g}".rstrip(".") if value and abs(value) < 1000 else f"{value:.0f}"
    mantissa, power = f"{value:.2e}".split("e")
    return f"{mantissa}×10{str(int(power)).translate(_RAISED)}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{max(1, round(1000 * seconds))} ms"


def _method(method: MethodHead) -> str:
    said = [_text(method.explain)]
    facts = "; ".join(filter(None, (method.parameters, method.baseline)))
    if facts:
        said.append(f'<span class="quiet">{_text(facts)}</span>')
    if method.reason:
        said.append(f'<span class="warning">Left out: {_text(method.reason)}.</span>')
    return f"<dt>{_text(method.label)}</dt><dd>{' '.join(said)}</dd>"


def _map(cell: MapCell, row: PictureRow) -> str:
    target = f"<br>for <bdi>{_text(cell.target)}</bdi>" if cell.target else ""
    head = f"<b>{_text(cell.label)}</b>{target}"
    if cell.overlay is None:
        empty = f'<div class="none" style="{_box(row.pixels)}">{_text(cell.reason)}</div>'
        return f"<figure>{empty}<figcaption>{head}</figcaption></figure>\n"
    scale, facts = cell.overlay.scale, [_time(cell.seconds)]
    if cell.completeness_error is not None:
        facts.insert(0, f"completeness error {percent(cell.completeness_error)}")
    if cell.overlay.notice is not None:
        facts.append(str(cell.overlay.notice))
    ends = ""
    if scale > 0:
        ends = (
            f'<div class="scale">{_bar()}<span>−{figure(scale)}</span><span>0</span>'
            f"<span>+{figure(scale)}</span></div>"
        )
    shown = _image(cell.overlay.rgba[..., :3], f"{cell.label} over the picture")
    return (
        f"<figure>{shown}{ends}<figcaption>{head}<br>{'<br>'.join(map(_text, facts))}</figcaption></figure>\n"
    )


def _image(pixels: Pixels, alternative: str) -> str:
    crisp = ' class="crisp"' if max(pixels.shape[:2]) <= _MOST_SHOWN else ""
    return f'<img{crisp} style="{_box(pixels)}" alt="{_text(alternative)}" src="{_data(png(pixels))}">'


def _box(pixels: Pixels) -> str:
    """The size on the page, in CSS pixels: a whole multiple of the picture's, as far as it goes."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    factor = max(1, round(_SHOWN / longer)) if longer <= _MOST_SHOWN else _MOST_SHOWN / longer
    return f"width:{width * factor:.0f}px;height:{height * factor:.0f}px"


@lru_cache(maxsize=1)
def _bar() -> str:
    return f'<img class="bar" alt="" src="{_data(png(color_bar(diverging(), LOOK)))}">'


def _data(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _share(probability: float) -> float:
    return 100 * probability if math.isfinite(probability) else 0.0


def _count(pictures: int) -> str:
    return f"{pictures} picture{'' if pictures == 1 else 's'}"


def _text(value: str) -> str:
    """Make any text safe to stand in the page; what is no text, or steers a terminal, is replaced."""
    whole = value.encode("utf-8", "replace").decode()
    return html.escape("".join("\ufffd" if unicodedata.category(each) == "Cc" else each for each in whole))


_STYLE = """\
:root { color-scheme: light dark; --page: #ffffff; --raised: #eef1f5; --text: #1b2430; --quiet: #5a6675;
  --line: #d5dbe3; --accent: #0b66d0; --filled: #b9d6f5; --warning: #b3007a; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --raised: #232a32; --text: #e8edf2;
  --quiet: #9aa7b5; --line: #343d47; --accent: #6cb4ff; --filled: #1f4a75; --warning: #ff6bc4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1180px; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 12px; font-size: 24px; line-height: 1.2; }
h2 { margin: 20px 0 6px; font-size: 16px; }
a { color: var(--accent); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
dt { color: var(--quiet); }
dl.methods dt { color: var(--text); font-weight: 600; }
dd { margin: 0; }
dl.methods .quiet, dl.methods .warning { display: block; }
p { max-width: 75ch; margin: 6px 0; }
.quiet { color: var(--quiet); }
.warning { color: var(--warning); }
.key { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: start; }
.key .scale { width: 280px; }
article { border-top: 1px solid var(--line); margin-top: 20px; break-inside: avoid; }
article h2 { margin: 14px 0 8px; }
.maps { display: flex; flex-wrap: wrap; gap: 20px; }
figure { margin: 0; width: min-content; min-width: 196px; break-inside: avoid; }
figure img { display: block; max-width: 100%; }
img.crisp { image-rendering: pixelated; }
figcaption { margin-top: 4px; font-size: 13px; line-height: 1.35; }
.none { display: grid; place-items: center; padding: 12px; border: 1px dashed var(--line);
  color: var(--quiet); font-size: 13px; text-align: center; }
.scale { display: flex; flex-wrap: wrap; justify-content: space-between; margin-top: 6px; font-size: 12px;
  font-variant-numeric: tabular-nums; color: var(--quiet); }
.scale img.bar { width: 100%; height: 9px; border: 1px solid var(--line); }
ol.top { list-style: none; margin: 4px 0 0; padding: 0; }
ol.top li { position: relative; display: flex; justify-content: space-between; gap: 8px; margin: 2px 0;
  padding: 1px 6px; background: var(--raised); font-variant-numeric: tabular-nums; white-space: nowrap; }
ol.top .name { overflow: hidden; text-overflow: ellipsis; }
ol.top li > * { position: relative; }
ol.top .filled { position: absolute; inset: 0 auto 0 0; background: var(--filled); }
footer { border-top: 2px solid var(--line); margin-top: 24px; }
footer li { margin: 4px 0; }
@page { margin: 14mm; }
@media print {
  :root { color-scheme: light; --page: #ffffff; --raised: #eef1f5; --text: #000000; --quiet: #444444;
    --line: #bbbbbb; --accent: #000000; --filled: #b9d6f5; --warning: #b3007a; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  header a { display: none; }
  .maps { gap: 12px; }
  figure { min-width: 160px; }
  figure img:not(.bar), .none { width: 160px !important; height: auto !important; }
}
"""
