"""Capture files from disk or standard input to the analyzers."""

from __future__ import annotations
