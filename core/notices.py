"""What core says to people: an English template with values, worded again by whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for a person.

    `text` is an English `str.format` template and doubles as the translation key, so a
    window can say the same thing in another language; `values` fill it.
    """

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.format(**self.values)


class SkipscopeError(Exception):
    """Input that cannot be used, said in one clear line; nothing was changed."""

    def __init__(self, text: str, **values: Any) -> None:
        self.notice = Notice(text, values)
        super().__init__(str(self.notice).replace("\n", " "))
