"""Helpers for those who work with all estimators at once."""

from ._discovery import all_estimators

__all__ = ["all_estimators"]
