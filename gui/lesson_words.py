"""Words a lesson's verdict and what became of the guess."""

from PySide6.QtCore import QCoreApplication

from core.lessons import Lesson, Outcome, spoken


def lesson_verdict(outcome: Outcome) -> tuple[str, bool]:
    """Return the sentence for a lesson's end, with the figures, and whether all of it was met."""
    if outcome.met:
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
        for verdict in outcome.verdicts
    ]
    return f"{head} " + "  ·  ".join(rows), outcome.met


def guess_result(lesson: Lesson, outcome: Outcome, guessed: int | None) -> str:
    """Say what the run answered, and whether it was guessed; `guessed` None: it was skipped."""
    if lesson.guess is None:
        return ""
    if outcome.answer is None:
        template = QCoreApplication.translate(
            "Lesson", "The run gives none of the answers (measured {value})."
        )
        return template.format(value=f"{outcome.measured:.3g}")
    if guessed is None:
        template = QCoreApplication.translate("Lesson", "The run's answer: {answer} (measured {value}).")
    elif guessed == outcome.answer:
        template = QCoreApplication.translate("Lesson", "You guessed right: {answer} (measured {value}).")
    else:
        template = QCoreApplication.translate(
            "Lesson", "You guessed “{guess}”; the run's answer: {answer} (measured {value})."
        )
    return template.format(
        guess=lesson.choices[guessed] if guessed is not None else "",
        answer=lesson.choices[outcome.answer], value=f"{outcome.measured:.3g}",
    )  # fmt: skip
