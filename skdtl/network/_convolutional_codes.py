"""Convolutional sparse coding: codes of images, filters for codes, and a predictor of codes.

An image x of h x w pixels is modelled by Σ_k d_k ∗ z_k: filters of A x B pixels, which are zero
outside of their supports, and maps of h x w numbers, which are zero outside of the image. Of the
convolution the h x w pixels in the middle count, so that a map's entry is the strength of a filter
that is centred on that pixel. All is computed by FFTs of a grid large enough for nothing to come in
at the other side, in the precision of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import scipy.optimize
from joblib import Parallel, delayed

# Images that are coded together, the same for any number of jobs: few enough for a processor's
# cache.
CHUNK = 32
# Steps of coding between two looks at the loss.
STRIDE = 10


class Convolution(NamedTuple):
    """The map z → Σ_k d_k ∗ z_k for maps of one shape and filters of one shape, and its adjoint."""

    shape: tuple[int, int]  # of images and maps
    support: tuple[int, int]  # of filters

    @property
    def grid(self) -> tuple[int, ...]:
        """How large transforms are: what is cut off may fold, what stays must not."""
        sizes = (n + support // 2 for n, support in zip(self.shape, self.support))
        return tuple(scipy.fft.next_fast_len(n, real=True) for n in sizes)

    @property
    def middle(self) -> tuple[Any, ...]:
        """Where the image lies in the convolution of a map and a filter."""
        starts = ((support - 1) // 2 for support in self.support)
        return (..., *(slice(start, start + n) for start, n in zip(starts, self.shape)))

    def spectra(self, arrays) -> np.ndarray:
        """Transform filters or maps, which stand at the grid's beginning."""
        return scipy.fft.rfft2(arrays, s=self.grid)

    def beginning(self, spectra, shape) -> np.ndarray:
        """Transform back and cut out what stands at the grid's beginning."""
        return scipy.fft.irfft2(spectra, s=self.grid)[..., : shape[0], : shape[1]]

    def image(self, spectra) -> np.ndarray:
        """Transform back and cut the image out."""
        return scipy.fft.irfft2(spectra, s=self.grid)[self.middle]

    def place(self, images) -> np.ndarray:
        """Put images where `image` cuts them out, with zeros around them."""
        placed = np.zeros((*images.shape[:-2], *self.grid), dtype=images.dtype)
        placed[self.middle] = images
        return placed

    def synthesize(self, maps, filter_spectra) -> np.ndarray:
        """Return Σ_k d_k ∗ z_k of each image."""
        return self.image(mixed(self.spectra(maps), filter_spectra))

    def correlate(self, images, filter_spectra) -> np.ndarray:
        """Return each filter's correlation with each image, the adjoint of `synthesize`."""
        spectra = self.spectra(self.place(images))
        return self.beginning(spectra[:, None] * filter_spectra.conj(), self.shape)


def mixed(map_spectra, filter_spectra):
    """Return the spectra of Σ_k d_k ∗ z_k."""
    return np.einsum("nkij,kij->nij", map_spectra, filter_spectra)


def shrink(values, threshold):
    """Move numbers towards zero by a threshold, those below it to zero."""
    return values - np.clip(values, -threshold, threshold)


def losses(residuals, maps, alpha):
    """Return ½‖x − Σ_k d_k ∗ z_k‖² + α Σ|z| of each image."""
    return 0.5 * np.square(residuals).sum((1, 2)) + alpha * np.abs(maps).sum((1, 2, 3))


def duality_gaps(images, maps, residuals, correlations, alpha):
    """Bound how far each image's loss is above the smallest possible, as a share of ½‖x‖².

    The residuals, shortened until no filter's correlation with them exceeds α, are a feasible point
    of the dual problem, max ½‖x‖² − ½‖x − θ‖².
    """
    tiny = np.finfo(images.dtype).tiny
    factor = np.minimum(1, alpha / np.maximum(np.abs(correlations).max((1, 2, 3)), tiny))
    energy = np.square(images).sum((1, 2))
    dual = energy - np.square(images - factor[:, None, None] * residuals).sum((1, 2))
    return (losses(residuals, maps, alpha) - dual / 2) / np.maximum(energy / 2, tiny)


class Coding:
    """A few images, the best maps that have been found for them, and where the search stands.

    The search is ADMM. At each frequency the operator is a row vector, so that the least squares
    in the middle of a step have a closed form; images and maps have copies that know of the
    pixels' and the maps' borders, and multipliers that bring the copies together.
    """

    def __init__(self, images, model: Convolution, n_filters: int):
        self.images, self.model = images, model
        self.maps = np.zeros((len(images), n_filters, *model.shape), dtype=images.dtype)
        self._copies = np.zeros((len(images), n_filters, *model.grid), dtype=images.dtype)
        self._map_multipliers = np.zeros_like(self._copies)
        self._canvases = model.place(images)
        self._canvas_multipliers = np.zeros_like(self._canvases)

    def step(self, filter_spectra, energy, alpha) -> None:
        """Make one step; `energy` is the filters' Σ_k |d_k|² at each frequency."""
        # Filters are at most 1 long and images have about one unit in a pixel.
        rho, relaxation = self.images.dtype.type(5 * alpha), 1.8
        model, (height, width) = self.model, self.model.shape
        wanted = scipy.fft.rfft2(self._copies - self._map_multipliers)
        canvas = scipy.fft.rfft2(self._canvases - self._canvas_multipliers)
        error = (canvas - mixed(wanted, filter_spectra)) / (rho + energy)
        found = wanted + filter_spectra.conj() * error[:, None]
        maps, sums = (
            scipy.fft.irfft2(spectra, s=model.grid)
            for spectra in (found, mixed(found, filter_spectra))
        )
        for new, copy, multipliers in (
            (maps, self._copies, self._map_multipliers),
            (sums, self._canvases, self._canvas_multipliers),
        ):
            multipliers += relaxation * new + (1 - relaxation) * copy
        self._copies = np.zeros_like(self._copies)
        inside = self._map_multipliers[..., :height, :width]
        self._copies[..., :height, :width] = shrink(inside, inside.dtype.type(alpha / rho))
        self._canvases = self._canvas_multipliers.copy()
        self._canvases[model.middle] = (self.images + self._canvases[model.middle]) / 2
        self._map_multipliers -= self._copies
        self._canvas_multipliers -= self._canvases

    def improve(self, filter_spectra, alpha, n_steps: int, tol: float | None = None) -> int:
        """Make steps, and replace the maps of an image where better ones were found.

        With `tol` images leave the search once their duality gap is at most that. Returns how many
        have not left.
        """
        energy = np.square(np.abs(filter_spectra)).sum(0)
        search, rows = self, np.arange(len(self.images))
        loss = self._judged(self.maps, filter_spectra, alpha)[0]
        for n in range(1, n_steps + 1):
            search.step(filter_spectra, energy, alpha)
            if n % STRIDE and n < n_steps:
                continue
            maps = search._copies[..., : self.model.shape[0], : self.model.shape[1]]
            new_loss, residuals = search._judged(maps, filter_spectra, alpha)
            better = new_loss < loss[rows]
            self.maps[rows[better]], loss[rows[better]] = maps[better], new_loss[better]
            if tol is None:
                continue
            correlations = self.model.correlate(residuals, filter_spectra)
            left = duality_gaps(search.images, maps, residuals, correlations, alpha) > tol
            rows, search = rows[left], search._part(left)
            if not len(rows):
                break
        return len(rows)

    def _judged(self, maps, filter_spectra, alpha):
        residuals = self.images - self.model.synthesize(maps, filter_spectra)
        return losses(residuals, maps, alpha), residuals

    def _part(self, rows) -> Coding:
        part = object.__new__(Coding)
        part.model = self.model
        for name, value in vars(self).items():
            if name != "model":
                setattr(part, name, value[rows])
        return part


def encoded(images, filters, alpha, *, max_iter=500, tol=1e-3):
    """Find the maps with the smallest ½‖x − Σ_k d_k ∗ z_k‖² + α Σ|z|, image by image.

    Returns the maps, and of how many images the duality gap is still above `tol` after `max_iter`
    steps.
    """
    model = Convolution(images.shape[1:], filters.shape[1:])
    coding = Coding(images, model, len(filters))
    n_left = coding.improve(model.spectra(filters), alpha, max_iter, tol)
    return coding.maps, n_left


def improved_filters(images, maps, filters, supports):
    """Improve filters for given maps, one after the other, with ‖d_k‖ ≤ 1 and within supports.

    Each makes a step of projected gradient that is short enough for the squared error not to rise.
    Returns the filters and the residuals x − Σ_k d_k ∗ z_k.
    """
    model = Convolution(images.shape[1:], filters.shape[1:])
    spectra = model.spectra(maps)
    filters = filters.copy()
    residuals = images - model.image(mixed(spectra, model.spectra(filters)))
    bounds = np.square(np.abs(spectra)).sum(0).max((1, 2))
    for k in np.flatnonzero(bounds):
        correlation = np.einsum(
            "nij,nij->ij", model.spectra(model.place(residuals)), spectra[:, k].conj()
        )
        new = filters[k] + model.beginning(correlation, model.support) / bounds[k]
        new = in_unit_ball(new * supports[k])
        residuals -= model.image(spectra[:, k] * model.spectra(new - filters[k]))
        filters[k] = new
    return filters, residuals


def in_unit_ball(filters):
    """Shorten filters that are longer than 1."""
    norms = np.sqrt(np.square(filters).sum((-2, -1), keepdims=True))
    return filters / np.maximum(norms, 1)


def learnt_filters(
    images,
    filters,
    supports,
    alpha,
    *,
    max_iter: int,
    tol: float,
    n_jobs: int | None = None,
    report: Callable[[int, float], Any],
) -> tuple[np.ndarray, list[float], bool]:
    """Code the images and improve the filters by turns; the loss falls in every round.

    Returns the filters, the mean loss of an image after each round, and whether a round lowered it
    by less than `tol` times the loss before `max_iter` rounds were over.
    """
    model = Convolution(images.shape[1:], filters.shape[1:])
    parts = [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)]
    codings = [Coding(part, model, len(filters)) for part in parts]
    history: list[float] = []
    with Parallel(n_jobs, prefer="threads") as parallel:
        for n_rounds in range(1, max_iter + 1):
            spectra = model.spectra(filters)
            # The search has to find its way first.
            n_steps = STRIDE if history else 5 * STRIDE
            parallel(delayed(coding.improve)(spectra, alpha, n_steps) for coding in codings)
            maps = np.concatenate([coding.maps for coding in codings])
            filters, residuals = improved_filters(images, maps, filters, supports)
            history.append(float(losses(residuals, maps, alpha).mean()))
            report(n_rounds, history[-1])
            if len(history) > 1 and history[-2] - history[-1] <= tol * history[-2]:
                return filters, history, True
    return filters, history, False


def first_filters(supports, random) -> np.ndarray:
    """Draw filters of norm 1 whose pixels are independent."""
    filters = random.standard_normal(supports.shape).astype(supports.dtype) * supports
    return filters / np.sqrt(np.square(filters).sum((1, 2), keepdims=True))


def scale_supports(sizes: Sequence[tuple[int, int]], counts: Sequence[int], dtype) -> np.ndarray:
    """Return the pixels that each filter may use, ones in an array as large as the largest."""
    return joined([np.ones((count, *size), dtype=dtype) for size, count in zip(sizes, counts)])


def joined(scales: Sequence[np.ndarray]) -> np.ndarray:
    """Put the filters of all scales into one array, in the middle of the largest support.

    So all filters are centred on one pixel.
    """
    largest = tuple(max(filters.shape[axis] for filters in scales) for axis in (1, 2))
    found = np.zeros((sum(map(len, scales)), *largest), dtype=scales[0].dtype)
    first = 0
    for filters in scales:
        part = found[first : first + len(filters)]
        part[_middle(largest, filters.shape[1:])] = filters
        first += len(filters)
    return found


def by_scale(filters, sizes: Sequence[tuple[int, int]], counts: Sequence[int]) -> list[np.ndarray]:
    """Undo `joined`."""
    parts = np.split(filters, np.cumsum(counts)[:-1])
    return [part[_middle(part.shape[1:], size)].copy() for part, size in zip(parts, sizes)]


def _middle(largest: Sequence[int], size: Sequence[int]) -> tuple[Any, ...]:
    starts = ((n - 1) // 2 - (m - 1) // 2 for n, m in zip(largest, size))
    return (..., *(slice(start, start + m) for start, m in zip(starts, size)))


def predicted(images, filters, thresholds):
    """Return shrink(w_k ⋆ x, θ_k): maps by one convolution."""
    model = Convolution(images.shape[1:], filters.shape[1:])
    return shrink(model.correlate(images, model.spectra(filters)), thresholds[:, None, None])


def prediction_loss(images, maps, filters, thresholds):
    """Return ½ Σ‖z − shrink(w ⋆ x, θ)‖² and its derivatives by filters and thresholds."""
    model = Convolution(images.shape[1:], filters.shape[1:])
    spectra = model.spectra(model.place(images))
    sums = model.beginning(spectra[:, None] * model.spectra(filters).conj(), model.shape)
    error = shrink(sums, thresholds[:, None, None]) - maps
    by_sum = np.where(np.abs(sums) > thresholds[:, None, None], error, 0)
    by_filter = np.einsum("nij,nkij->kij", spectra, model.spectra(by_sum).conj())
    by_threshold = -(by_sum * np.sign(sums)).sum((0, 2, 3))
    loss = 0.5 * np.square(error).sum()
    return loss, model.beginning(by_filter, model.support), by_threshold


def fitted_predictor(images, maps, filters, supports, alpha, *, max_iter=200):
    """Fit w and θ such that shrink(w_k ⋆ x, θ_k) is close to z_k.

    It begins with one step of iterated shrinkage from zero maps, w_k = d_k / L, θ = α / L.
    """
    model = Convolution(images.shape[1:], filters.shape[1:])
    bound = np.square(np.abs(model.spectra(filters))).sum(0).max() or 1.0
    inside = supports > 0
    n_weights = np.count_nonzero(inside)

    def unpacked(parameters):
        weights = np.zeros_like(filters)
        weights[inside] = parameters[:n_weights]
        return weights, parameters[n_weights:].astype(filters.dtype)

    def function(parameters):
        loss, by_filter, by_threshold = prediction_loss(images, maps, *unpacked(parameters))
        return float(loss), np.concatenate([by_filter[inside], by_threshold]).astype(float)

    start = np.concatenate([filters[inside], np.full(len(filters), alpha)]).astype(float) / bound
    bounds = [(None, None)] * n_weights + [(0, None)] * len(filters)
    found = scipy.optimize.minimize(
        function, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": max_iter}
    )
    return unpacked(found.x)


def pooled(maps, levels: Sequence[int], how) -> np.ndarray:
    """Pool |z| in the cells of a pyramid, l x l cells at level l, or as many as there are pixels.

    `how` is a function such as `numpy.max`. Returns a row for each image, level by level, within a
    level cell by cell, within a cell filter by filter.
    """
    sizes, found = np.abs(maps), []
    for level in levels:
        rows, columns = (np.linspace(0, n, min(level, n) + 1).astype(int) for n in maps.shape[2:])
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                found.append(how(sizes[:, :, top:bottom, left:right], axis=(2, 3)))
    return np.concatenate(found, axis=1)
