"""Requests that servers take differently, and what is right: each module adds its groups, in the
order of the page."""

from cases import request_lines, fields, content, connections  # noqa: F401, I001
from cases.group import ACCEPT, GROUPS, OPEN, REFUSE

__all__ = ["ACCEPT", "GROUPS", "OPEN", "REFUSE"]
