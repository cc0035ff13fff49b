"""What a receiver makes of light: clicks of the background, and errors of the signal."""

from __future__ import annotations

import numpy as np

from eqci_space.linkbudget.background import background_photon_rate_hz, single_mode_photon_rate_hz
from eqci_space.linkbudget.detector import doppler_phase_error, polarisation_error
from eqci_space.linkbudget.link import Columns
from eqci_space.scenario import Receiver, Terminal
from eqci_space.units import ratio_from_db

__all__ = ["background_clicks_hz", "intrinsic_error"]


def background_clicks_hz(radiance_w_m2_sr_m: np.ndarray, terminal: Terminal, receiver: Receiver) -> np.ndarray:
    """Clicks per second that light of the surroundings makes, summed over detectors."""
    if receiver.field == "single_mode":
        photons = single_mode_photon_rate_hz(
            wavelength_m=terminal.wavelength_m, radiance_w_m2_sr_m=radiance_w_m2_sr_m,
            filter_bandwidth_m=receiver.filter_bandwidth_m,
        )  # fmt: skip
        through = receiver.optics_transmittance
    else:
        photons = background_photon_rate_hz(
            wavelength_m=terminal.wavelength_m, radiance_w_m2_sr_m=radiance_w_m2_sr_m,
            aperture_diameter_m=receiver.aperture_diameter_m, obscuration_ratio=receiver.obscuration_ratio,
            field_of_view_full_angle_rad=float(receiver.field_of_view_rad or 0.0),
            filter_bandwidth_m=receiver.filter_bandwidth_m,
        )  # fmt: skip
        through = receiver.optics_transmittance * float(ratio_from_db(receiver.coupling_loss_db))
    return photons * through * receiver.detector_efficiency


def intrinsic_error(part: Columns, terminal: Terminal, receiver: Receiver) -> np.ndarray:
    """Error probability of a signal click: independent causes, two errors cancelling each other.

    A column `frame_rotation_rad` of the samples, where there is one, stands instead of the terminal's number.
    """
    rotation = part.get("frame_rotation_rad", np.asarray(terminal.frame_rotation_rad))
    causes = [
        np.asarray(terminal.intrinsic_error),
        np.asarray(receiver.intrinsic_error),
        polarisation_error(frame_rotation_rad=rotation),
        doppler_phase_error(
            range_rate_m_s=part["range_rate_m_s"], wavelength_m=terminal.wavelength_m,
            delay_s=terminal.interferometer_delay_s, compensated_share=terminal.doppler_compensated_share,
        ),
    ]  # fmt: skip
    straight = np.ones(len(part["range_m"]))
    for cause in causes:
        straight = straight * (1 - 2 * cause)
    return (1 - straight) / 2
