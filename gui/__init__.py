"""Everything that needs a QApplication. Knows no torch; only bridge.py knows the engine."""
