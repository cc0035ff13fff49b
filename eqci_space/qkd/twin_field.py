"""Twin-field rate scaled from one field demonstration: an anchor for planners, not a model."""

from __future__ import annotations

__all__ = ["ANCHOR_BIT_S", "ANCHOR_LOSS_DB", "LARGEST_STEP_DB", "twin_field_rate_bit_s"]

ANCHOR_LOSS_DB = 56.0
ANCHOR_BIT_S = 110.0
LARGEST_STEP_DB = 15.0


def twin_field_rate_bit_s(loss_db: float) -> float:
    """Key rate between two ends with a relay in their middle, ``110 · 10^((56 - loss)/20)``.

    Anchored at Frankfurt-Kehl (253.9 km of installed fibre, 56.0 dB, 110 bit/s, avalanche diodes; arXiv:2405.11990,
    2024) and scaled by the square root of the transmittance, within 15 dB of the anchor.

    Parameters
    ----------
    loss_db : float
        Between the two ends [dB], in [41, 71].

    Returns
    -------
    float
        [bit/s]

    Raises
    ------
    ValueError
        The loss is further than 15 dB from the anchor.

    Examples
    --------
    >>> twin_field_rate_bit_s(56.0)
    110.0
    """
    if not abs(loss_db - ANCHOR_LOSS_DB) <= LARGEST_STEP_DB:
        raise ValueError(
            f"twin_field_rate_bit_s: loss_db = {loss_db}; expected {ANCHOR_LOSS_DB - LARGEST_STEP_DB:g} to "
            f"{ANCHOR_LOSS_DB + LARGEST_STEP_DB:g} dB, around the one demonstration this rests on"
        )
    return float(ANCHOR_BIT_S * 10 ** ((ANCHOR_LOSS_DB - loss_db) / 20))
