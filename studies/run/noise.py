"""What a network's weights and rates say of its conversion, before anything is simulated."""

from __future__ import annotations

import sys

from brian2 import ms

from conversion.brian import max_rate
from models.shot_noise import as_text, shot_noise
from studies.run.experiment import reduce_network
from studies.run.files import Job, calibration_images, fit, network
from studies.run.settings import encoder_of

IMAGES = 200  # enough for mean rates


def say_shot_noise(job: Job) -> None:
    """Say on standard error how noisy the input of each layer of a job's network will be; not under phase coding."""
    encoder, dt = encoder_of(job.condition), job.condition.dt_ms * ms
    if encoder.spikes_alike:
        graph = network(job)
        images = fit(calibration_images(job)[-IMAGES:], graph.input_shape)
        per_step = min(1.0, float(max_rate(encoder, dt) * dt))
        print(as_text(shot_noise(reduce_network(graph, job.condition), images, encoder, per_step)), file=sys.stderr)
