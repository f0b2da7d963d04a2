"""Conditions run: each from its files to its rows, a study in parallel, resumed where it was interrupted."""

from studies.run.chance import say_accuracies
from studies.run.experiment import (
    Prepared,
    check_job,
    measure_recording,
    population_activations,
    prepare,
    simulate_condition,
)
from studies.run.files import Job, model_path
from studies.run.from_dict import sweep
from studies.run.neurons import made_neuron
from studies.run.noise import say_shot_noise, shot_noise_of
from studies.run.runner import run_study
from studies.run.settings import encoder_of, simulation_of

__all__ = [
    "Job",
    "Prepared",
    "check_job",
    "encoder_of",
    "made_neuron",
    "measure_recording",
    "model_path",
    "population_activations",
    "prepare",
    "run_study",
    "say_accuracies",
    "say_shot_noise",
    "shot_noise_of",
    "simulate_condition",
    "simulation_of",
    "sweep",
]
