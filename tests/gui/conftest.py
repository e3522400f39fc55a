"""Fixtures that several tests of the window use."""

from tests.gui.fake_window import make_window

__all__ = ["make_window"]
