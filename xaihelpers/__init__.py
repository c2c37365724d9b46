"""Learn, check and use class-activation maps."""

from importlib.metadata import version

__version__ = version("xaihelpers")
