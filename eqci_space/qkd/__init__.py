"""Finite-key secret key lengths."""
