"""Composes a scene as layered paper-cut SVG from facts and words, and rasterises it; pure, deterministic, offline."""

from adapters.paper_cut.painting import Sketch, compose, paint

__all__ = ["Sketch", "compose", "paint"]
