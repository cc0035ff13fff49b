"""Orbits: elements, ephemerides, passes, and the sky."""
