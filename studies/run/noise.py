"""What a network's weights and rates say of its conversion, before anything is simulated."""

from __future__ import annotations

import sys

import pandas as pd
from brian2 import ms

from conversion.brian import max_rate
from models.graph import Graph
from models.shot_noise import as_text, shot_noise
from studies.run.experiment import prepare, reduce_network
from studies.run.files import Job, calibration_images, fit, network
from studies.run.settings import encoder_of

IMAGES = 200  # enough for mean rates


def say_shot_noise(job: Job) -> None:
    """Say on standard error how noisy the input of each layer of a job's network will be; not under phase coding."""
    if encoder_of(job.condition).spikes_alike:
        print(as_text(_noise(job, reduce_network(network(job), job.condition))), file=sys.stderr)


def shot_noise_of(job: Job) -> pd.DataFrame:
    """The shot noise of each layer of a job's normalised network, on the images that it is calibrated on.

    Returns
    -------
    DataFrame
        See `models.shot_noise.shot_noise`.
    """
    return _noise(job, prepare(job).normalised)


def _noise(job: Job, graph: Graph) -> pd.DataFrame:
    encoder, dt = encoder_of(job.condition), job.condition.dt_ms * ms
    images = fit(calibration_images(job)[-IMAGES:], graph.input_shape)
    return shot_noise(graph, images, encoder, min(1.0, float(max_rate(encoder, dt) * dt)))
