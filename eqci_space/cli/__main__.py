"""``python -m eqci_space.cli`` is ``eqci``."""

from __future__ import annotations

from eqci_space.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
