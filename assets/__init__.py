"""Data, lessons, icons and pretrained twins, read through importlib.resources."""
