"""Figures, drawn from tables or plain arrays alone, always in one style."""

from studies.draw.agreement import draw_confusions, draw_rates
from studies.draw.boxes import draw_boxes
from studies.draw.channels import SCHEMES, channel_shares, draw_channels, firing_rates
from studies.draw.comparisons import draw_accuracy_over_time, draw_energy_and_accuracy, draw_spikes_per_layer
from studies.draw.declared import draw_figures
from studies.draw.pooling import draw_pooling_errors, pooling_errors
from studies.draw.style import HATCHES, MEDIA, PAGE, PALETTE, Medium, drawing, save
from studies.draw.tolerance import draw_tolerance
from studies.draw.views import draw_membrane_traces, draw_raster

__all__ = [
    "HATCHES",
    "MEDIA",
    "PAGE",
    "PALETTE",
    "SCHEMES",
    "Medium",
    "channel_shares",
    "draw_accuracy_over_time",
    "draw_boxes",
    "draw_channels",
    "draw_confusions",
    "draw_energy_and_accuracy",
    "draw_figures",
    "draw_membrane_traces",
    "draw_pooling_errors",
    "draw_raster",
    "draw_rates",
    "draw_spikes_per_layer",
    "draw_tolerance",
    "drawing",
    "firing_rates",
    "pooling_errors",
    "save",
]
