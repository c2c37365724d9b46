"""Fixtures of these tests."""

from tests.cases.small_setups import claim, fake, home, notebooks, one_process

__all__ = ["claim", "fake", "home", "notebooks", "one_process"]
