"""The optical link budget, one physical topic per module."""
