"""Words a lesson's verdict."""

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from core.lessons import Verdict, spoken


def lesson_verdict(found: Sequence[Verdict]) -> tuple[str, bool]:
    """Return the sentence for a lesson's end, with the figures, and whether all of it was met."""
    met = all(verdict.met for verdict in found)
    if met:
        head = QCoreApplication.translate("Lesson", "This run met the expectation:")
    else:
        head = QCoreApplication.translate("Lesson", "This run did not meet the expectation:")
    template = QCoreApplication.translate("Lesson", "{mark} {what}: {value}")
    rows = [
        template.format(
            mark="✓" if verdict.met else "✗",
            what=spoken(verdict.expectation),
            value=f"{verdict.measured:.3g}",
        )
        for verdict in found
    ]
    return f"{head} " + "  ·  ".join(rows), met
