"""Made-up answers of models on the images of patients, of which the truth is known.

Patients differ in how easy they are: their share of right answers follows a beta distribution whose
variance is ``ICC`` times that of a single answer, so that answers within a patient correlate.
"""

import numpy as np
from scipy.special import betaincinv

ICC = 0.3

MODELS = 8


def sizes(random, patients, kind):
    """Queries per patient: ``equal``, six each, or ``lognormal``, four in the middle and a long
    tail."""
    if kind == "equal":
        return np.full(patients, 6)
    return np.maximum(1, np.round(np.exp(random.normal(np.log(4), 1, patients)))).astype(int)


def ease(random, truth, shape):
    """Shares of right answers of patients ``shape``, with the mean ``truth``."""
    strength = 1 / ICC - 1
    return random.beta(np.multiply(truth, strength), np.multiply(1 - truth, strength), shape)


def answers(random, patients, kind, truth, experiments):
    """Answers ``(q, experiments)`` of one model and the patients ``(q,)`` they are of."""
    cluster = np.repeat(np.arange(patients), sizes(random, patients, kind))
    right = ease(random, truth, (patients, experiments))[cluster]
    return (random.random(right.shape) < right).astype(float), cluster


def answers_by_class(random, patients_of_classes, truths, kind, experiments):
    """Answers ``(q, experiments)`` of one model, patients and classes ``(q,)``; a patient has one
    class."""
    classes = np.repeat(np.arange(len(truths)), patients_of_classes)
    number = sizes(random, len(classes), kind)
    cluster = np.repeat(np.arange(len(classes)), number)
    truth = np.asarray(truths)[classes][:, None]
    right = ease(random, np.broadcast_to(truth, (len(classes), experiments)), None)[cluster]
    return (random.random(right.shape) < right).astype(float), cluster, classes[cluster]


def equal_models(random, patients, kind, truth, experiments, models=MODELS):
    """Answers ``(q, models, experiments)`` of models that are equally good, and the patients.

    Each model finds other patients easy, and all find some patients and some queries harder than
    others.
    """
    cluster = np.repeat(np.arange(patients), sizes(random, patients, kind))
    base = ease(random, truth, (patients, 1, experiments))
    own = ease(random, truth, (patients, models, experiments))
    chance = np.where(random.random(own.shape) < 0.6, base, own)[cluster]
    query = random.random((len(cluster), 1, experiments))
    noise = random.random((len(cluster), models, experiments))
    shared = random.random(chance.shape) < 0.5
    return (np.where(shared, query, noise) < chance).astype(float), cluster


def models_of_truths(random, patients, kind, truths, experiments):
    """Answers ``(q, M, experiments)`` of models with these shares of right answers, and the patients.

    As in :func:`equal_models`, models agree more often than by chance on patients and on queries.
    """
    cluster = np.repeat(np.arange(patients), sizes(random, patients, kind))
    strength, truth = 1 / ICC - 1, np.asarray(truths, dtype=float)[None, :, None]
    shape = patients, len(truths), experiments
    common, own = random.random((patients, 1, experiments)), random.random(shape)
    level = np.where(random.random(shape) < 0.6, common, own)
    chance = betaincinv(truth * strength, (1 - truth) * strength, level)[cluster]
    query, noise = random.random((len(cluster), 1, experiments)), random.random(chance.shape)
    drawn = np.where(random.random(chance.shape) < 0.5, query, noise)
    return (drawn < chance).astype(float), cluster
