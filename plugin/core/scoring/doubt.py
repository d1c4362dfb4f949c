"""Labels go wrong more often on images that are hard to tell: a noise channel that knows the image.

An image's *doubt* is how far its prediction, without its own label, is from naming one class. One
channel is learned for images without doubt, T₀, and one for those in doubt, T₁; that of an image is
the mixture (1 − doubt)·T₀ + doubt·T₁. That a confidence makes noise that depends on the instance
tractable is due to Berthon, Han, Niu, Liu and Sugiyama (ICML 2021).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .linalg import Float, Float32, Int
from .logistic import TINY
from .signals import NOISE_PRIOR

# As much as so many rows, for each class of a channel, speaks for the channel of all images.
CHANNEL_PRIOR_ROWS = 30
MAX_ROUNDS, SETTLED = 30, 2e-3


def doubt_of(p: Float32) -> Float32:
    """0 where one of the classes (in columns) is certain, 1 where none has more than a half."""
    return _doubt(p.max(axis=1))


def doubt_of_logits(z: Float32) -> Float32:
    """The doubt of the predictions that are the softmax of z, which is overwritten."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    return _doubt(1 / z.sum(axis=1))


def _doubt(most: Float32) -> Float32:
    doubt: Float32 = np.minimum(1, 2 * (1 - most))
    return doubt


def learn_channels(
    p: Float32, given: Int, verified: Int, weight: Float, channel: Float, share: float
) -> Float:
    """Fit both channels by EM.

    Parameters
    ----------
    p : float32 array of shape (m, K)
        Predictions that don't know the row's label.
    given : int array of shape (m,)
        Labels as they were given, -1 where they are of none of the classes.
    verified : int array of shape (m,)
        True classes where they are known, -1 elsewhere.
    weight : array of shape (m,)
    channel : array of shape (K, K)
        P(given | true) of all images.
    share : float
        How much of what is learned counts, from 0 (nothing) to 1.

    Returns
    -------
    array of shape (2, K, K)
    """
    keep = given >= 0
    p, given, verified, weight = p[keep], given[keep], verified[keep], weight[keep]
    doubt = doubt_of(p)
    m, k = p.shape
    told = np.flatnonzero(verified >= 0)
    by_given = csr_array((weight.astype(np.float32), (given, np.arange(m))), shape=(k, m))
    mass = np.array([weight @ (1 - doubt), weight @ doubt])[:, None, None]
    prior = CHANNEL_PRIOR_ROWS * channel + NOISE_PRIOR * (mass / k + CHANNEL_PRIOR_ROWS) / k
    channels = np.stack([channel, channel])
    for _ in range(MAX_ROUNDS):
        sure, unsure = (one.T.astype(np.float32, order="C")[given] for one in channels)
        sure *= (1 - doubt)[:, None]
        unsure *= doubt[:, None]
        both = sure + unsure
        true = p * both
        true[told] = 0
        true[told, verified[told]] = 1
        true /= np.maximum(true.sum(axis=1), TINY)[:, None]
        true /= np.maximum(both, TINY)
        counts = prior + np.stack([(by_given @ (true * part)).T for part in (sure, unsure)])
        updated = counts / counts.sum(axis=2, keepdims=True)
        moved, channels = float(np.abs(updated - channels).max()), updated
        if moved < SETTLED:
            break
    return channel + share * (channels - channel)


def ratios(channels: Float, channel: Float) -> Float32:
    """What each of both channels is to that of all images, as `log_shift` looks it up.

    Parameters
    ----------
    channels : array of shape (2, K, K)
    channel : array of shape (K, K)

    Returns
    -------
    float32 array of shape (2, K + 1, K)
        By given and true class; the last is for rows whose given class is none of them.
    """
    found = np.ones((2, len(channel) + 1, len(channel)), np.float32)
    found[:, :-1] = (channels / np.maximum(channel, TINY)).transpose(0, 2, 1)
    return found


def log_shift(ratios: Float32, doubt: Float32, given: Int) -> Float32:
    """What an image's own channel adds to log P(given | true), for each true class.

    Parameters
    ----------
    ratios : float32 array of shape (2, K + 1, K)
    doubt : float32 array of shape (n,)
        Of predictions that don't know the row's label.
    given : int array of shape (n,)
        -1 for a row whose given class is none of them; it gets zeros.

    Returns
    -------
    float32 array of shape (n, K)
    """
    shift: Float32 = ratios[0][given]
    shift *= 1 - doubt[:, None]
    in_doubt = ratios[1][given]
    in_doubt *= doubt[:, None]
    shift += in_doubt
    np.maximum(shift, TINY, out=shift)
    return np.log(shift, out=shift)
