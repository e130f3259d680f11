"""Multi-scale convolutional sparse coding (Chang et al., 2018): banks of filters that transfer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from .._arrays import positions
from .._constraints import RANDOM_STATE, Bool, Int, OneOf, Real, SequenceOf
from .._mappers import ESTIMATOR, Mapper
from .._parameters import parameter
from .._typing import Estimator, RowsLike
from ..base import Domain
from ._convolutional_codes import (
    CHUNK,
    Convolution,
    by_scale,
    encoded,
    first_filters,
    fitted_predictor,
    joined,
    learnt_filters,
    pooled,
    predicted,
    scale_supports,
)

__all__ = ["MSCSC"]

POOLING = {"max": np.max, "mean": np.mean}
# How far a coded image's loss may be above the smallest possible, as a share of ½‖x‖², and within
# how many steps it gets there.
CODING_GAP, CODING_STEPS = 0.01, 500


class MSCSC(Mapper):
    """Learn filters of several sizes from unlabelled source images, and describe images by them.

    An image is taken for a sum of few small patterns: filters, each of which may stand at any
    place, with a strength that is mostly zero. The filters are learnt from the source's images
    without labels, small and large ones jointly, so that a small filter keeps to what is small. Of
    the strengths of each filter the largest in each part of an image is a feature
    (``transform``), on which the estimator is trained.

    Use it for images with few labels, where what the eye sees in them, strokes, edges, textures, is
    common to both domains or can be learnt from other images than those to be classified; also for
    spectra and other sequences. Images must have one channel; those of one domain are all of one
    size. Don't use it for tables: columns that are no neighbours have no patterns. Nor where much
    labelled data is there, which a convolutional network uses better.

    Attributes
    ----------
    dictionary_ : list of ndarray of shape (n_filters, height, width)
        The filters of each scale, after fine-tuning where there was one.
    source_dictionary_ : list of ndarray of shape (n_filters, height, width)
        Those learnt from the source.
    objectives_ : ndarray of shape (n_iter_,)
        The mean loss of an image after each round of learning, in units of ``source_scale_``.
    n_iter_ : int
        The number of rounds, on the source.
    target_objectives_ : ndarray of shape (n_rounds,)
        The same of fine-tuning; only with it.
    predictor_ : list of ndarray of shape (n_filters, height, width)
        The predictor's filters w of each scale; only for ``coding="predicted"``.
    thresholds_ : ndarray of shape (n_filters,)
        The predictor's θ, of the filters of all scales; only for ``coding="predicted"``.
    prediction_error_ : float
        ‖z - f(w ⋆ x)‖² / ‖z‖², the sums over the images that were learnt from; only for
        ``coding="predicted"``.
    source_scale_, target_scale_ : float
        The root mean square of a domain's pixels, by which its images are divided.
    image_shape_ : tuple of int
        Height and width of an image.
    input_shape_ : tuple of int
        The shape of a sample; only where samples came as arrays of more dimensions.

    Raises
    ------
    ValueError
        Where samples are no images of one channel, or rows are none of the given `shape`.

    Warns
    -----
    ConvergenceWarning
        Where the loss still falls after `max_iter` rounds, or an image's code is not exact enough
        after 500 steps.

    See Also
    --------
    FineTuning : A network that goes on with the target's labels.
    FilterDisplay : The filters as a picture.

    Notes
    -----
    *Loss.* Of the images x, each domain's divided by the root mean square of its pixels,

        ½ ‖x - Σ_s Σ_k d_k^s ∗ z_k^s‖² + α Σ_s Σ_k ‖z_k^s‖₁,   ‖d_k^s‖ ≤ 1,

    over the filters d of all scales s and the maps z of all images, in one reconstruction, so that
    scales share the work instead of doing it twice. A scale's patterns are its own by the filters'
    supports: outside of its size each is zero. A map has the image's height and width; of the
    convolution the middle part counts, and nothing comes in at the other side.

    *Learning.* By turns the maps of all images are improved by ten steps of ADMM [2]_, and each
    filter by a step of projected gradient that can't raise the loss. An image keeps the maps of the
    round before where the new ones are worse, so that the loss falls in every round. The filters
    begin as noise.

    *Exact codes* end where the duality gap says that an image's loss is above the smallest possible
    by at most a hundredth of ½‖x‖².

    *Predicted codes* [3]_ are one convolution, f(w ⋆ x) with f shrinking numbers towards zero by θ;
    w and θ minimise ‖z - f(w ⋆ x)‖² over the exact maps of the images that the filters were learnt
    from. ``prediction_error_`` tells how good that is: half of ‖z‖² and more was not predicted,
    since codes compete and a convolution can't. On digits its features were no worse for that, on
    textures they were.

    *What helps* (``benchmarks/results/mscsc.md``: 3 and 10 labels a class, a linear model). Digits
    of MNIST, filters from 80 of USPS: 1 and 4 points above pixels, and with `fine_tune` on 80
    unlabelled images of the target 12 and 13 points. Textures, filters from photographs: 95 % and
    more, where pixels and principal components have 20 to 43 %.

    *Undoing.* ``inverse_transform`` makes images of maps, those of ``encode`` or, with
    ``pooling=None``, of ``transform``: pooled codes can't be undone. An image's mean that `center`
    has subtracted stays away.

    *Cost* of a round is that of n K transforms of an image by FFT, for n images and K filters, some
    twenty times; memory is five times n K images of at most `max_samples` images. A transform
    codes 32 images at a time.

    References
    ----------
    .. [1] H. Chang, J. Han, C. Zhong, A. M. Snijders, J.-H. Mao, "Unsupervised transfer learning
       via multi-scale convolutional sparse coding for biomedical applications", IEEE Transactions
       on Pattern Analysis and Machine Intelligence 40(5), 2018.
    .. [2] B. Wohlberg, "Efficient algorithms for convolutional sparse representations", IEEE
       Transactions on Image Processing 25(1), 2016.
    .. [3] K. Kavukcuoglu, P. Sermanet, Y.-L. Boureau, K. Gregor, M. Mathieu, Y. LeCun, "Learning
       convolutional feature hierarchies for visual recognition", Advances in Neural Information
       Processing Systems, 2010.

    Examples
    --------
    Stripes at random places: their direction is in no single pixel. Filters are learnt from the
    source's images, without labels; three labels of each class then tell directions.

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdtl import MSCSC
    >>> rng = np.random.default_rng(0)
    >>> row, column = np.mgrid[:12, :12]
    >>> def stripes(n, width):
    ...     y = np.arange(n) % 2
    ...     along = np.where(y[:, None, None], row, column) + 12 * rng.random((n, 1, 1))
    ...     return np.cos(3 * along / width) + 0.3 * rng.normal(size=(n, 12, 12)), y
    >>> source, _ = stripes(40, 3.0)
    >>> X, y = stripes(100, 2.5)
    >>> coder = MSCSC((3, 5), 4, pyramid=(1,), tol=0.01, estimator="passthrough", random_state=0)
    >>> codes = coder.fit(source, None, X).transform(X)
    >>> coder.dictionary_[1].shape, codes.shape
    ((4, 5, 5), (100, 8))
    >>> pixels = X.reshape(100, -1)
    >>> LogisticRegression().fit(pixels[:6], y[:6]).score(pixels[6:], y[6:]) < 0.75
    True
    >>> LogisticRegression().fit(codes[:6], y[:6]).score(codes[6:], y[6:]) > 0.95
    True
    """

    sizes: Sequence[int] = parameter(
        default=(5, 9),
        legal=SequenceOf(Int(1), min_length=1),
        text="""
        The scales: the height and width of each one's filters in pixels, cut to those of an image.
        Of a sequence, which is one pixel high, it is the length.
        """,
        kw_only=False,
    )
    n_filters: int | Sequence[int] = parameter(
        default=16,
        legal=(Int(1), SequenceOf(Int(1), min_length=1)),
        text="How many filters each scale has; a sequence has a number for each.",
        kw_only=False,
    )
    alpha: float = parameter(
        default=0.3,
        legal=Real(0, closed="neither"),
        text="""
        Weight α of the codes' absolute values, in units of the root mean square of a
        domain's pixels. The larger, the fewer patterns make an image.
        """,
    )
    coding: str = parameter(
        default="exact",
        legal=OneOf("exact", "predicted"),
        text="""
        "exact": codes minimise the loss. "predicted": by one convolution, which a predictor has
        learnt from exact codes, instead of a hundred steps and more.
        """,
    )
    pooling: str | None = parameter(
        default="max",
        legal=(OneOf(*POOLING), None),
        text="""
        What ``transform`` keeps of ``|z|`` in each cell of the pyramid. None: the maps themselves,
        with their signs, as a row.
        """,
    )
    pyramid: Sequence[int] = parameter(
        default=(1, 2, 4),
        legal=SequenceOf(Int(1), min_length=1),
        text="""
        Spatial pyramid: for each entry l an image is cut into l x l cells, and a filter has a
        feature for each cell. Images without a preferred place, such as textures, need (1,).
        """,
    )
    power: float = parameter(
        default=0.5,
        legal=Real(0, closed="neither"),
        text="""
        What is pooled is raised to this power. Strengths are sparse, and most of them small: with
        the root the rare large ones don't rule the features.
        """,
    )
    shape: tuple[int, int] | None = parameter(
        default=None,
        legal=(None, SequenceOf(Int(1), min_length=1)),
        text="""
        Height and width of the images where they come as rows of a table. None: arrays of shape
        (n, height, width) have theirs, and rows of a table are sequences.
        """,
    )
    center: bool = parameter(
        default=True,
        legal=Bool(),
        text="Whether the mean of an image's pixels is subtracted from it.",
    )
    fine_tune: bool = parameter(
        default=False,
        legal=Bool(),
        text="""
        Whether the filters are then learnt further from the target's images, without labels.
        """,
    )
    max_samples: int | None = parameter(
        default=500,
        legal=(None, Int(1)),
        text="""
        From at most how many images of a domain, drawn by chance, filters are learnt. None: from
        all.
        """,
    )
    max_iter: int = parameter(default=50, legal=Int(1), text="Limit of the rounds of learning.")
    tol: float = parameter(
        default=1e-3,
        legal=Real(0),
        text="Learning ends when a round lowers the loss by at most `tol` times the loss.",
    )
    n_jobs: int | None = parameter(
        default=None,
        legal=(None, Int()),
        text="""
        In how many threads images are coded; the result does not depend on it. None means 1 unless
        in a :obj:`joblib.parallel_backend` context.
        """,
    )
    verbose: int = parameter(
        default=0,
        legal=Int(0),
        text="1 prints the loss of each round of learning.",
    )
    random_state: int | np.random.RandomState | None = parameter(
        default=None,
        legal=RANDOM_STATE,
        text="Draws the first filters, and the images where there are more than `max_samples`.",
    )
    estimator: Estimator = parameter(default=None, legal=ESTIMATOR)

    _takes_sparse: ClassVar[bool] = False

    def encode(self, X: RowsLike, domain: str = "target") -> np.ndarray:
        """Return the maps of images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width)
            Images of one domain.
        domain : {"target", "source"}, default="target"
            The domain that the images belong to.

        Returns
        -------
        maps : ndarray of shape (n_samples, n_filters, height, width)
            Of the filters of all scales, scale by scale.
        """
        self._check_domain(domain)
        return self._described(self._check_X(X), domain, lambda maps: maps)

    def inverse_transform(self, X: Any, domain: str = "target") -> np.ndarray:
        """Make images of maps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_filters, height, width) or (n_samples, n_entries)
            Maps, or maps as rows, as ``transform`` returns them with ``pooling=None``.
        domain : {"target", "source"}, default="target"
            The domain in whose units the images are.

        Returns
        -------
        images : ndarray of shape (n_samples, n_features) or (n_samples, height, width)
            In the form in which ``fit`` was given them.
        """
        self._check_domain(domain)
        check_is_fitted(self)
        options = {"dtype": [np.float64, np.float32], "allow_nd": True, "input_name": "X"}
        maps = check_array(X, estimator=self, **options)
        filters = joined(self.dictionary_)
        shape = (len(filters), *self.image_shape_)
        if maps.shape[1:] not in (shape, (math.prod(shape),)):
            raise ValueError(
                f"X has samples of shape {maps.shape[1:]}, but maps have the shape {shape}. What "
                "is pooled can't be undone: use encode, or pooling=None."
            )
        model = Convolution(self.image_shape_, filters.shape[1:])
        spectra = model.spectra(filters.astype(maps.dtype))
        images = model.synthesize(maps.reshape(-1, *shape), spectra)
        images *= maps.dtype.type(self._scale(domain))
        return images.reshape(len(images), *getattr(self, "input_shape_", (self.n_features_in_,)))

    def _fit_maps(self, source: Domain, target: Domain) -> None:
        self.image_shape_ = self._image_shape()
        height, width = self.image_shape_
        scales = [(min(size, height), min(size, width)) for size in self.sizes]
        counts = self._counts()
        random = check_random_state(self.random_state)
        self.source_scale_, self.target_scale_ = (
            math.sqrt(np.square(self._centred(each.X), dtype=float).mean()) or 1.0
            for each in (source, target)
        )
        images = self._images(self._drawn(source.X, random), "source")
        supports = scale_supports(scales, counts, images.dtype)
        filters = first_filters(supports, random)
        filters, self.objectives_ = self._learnt(images, filters, supports, "source")
        self.n_iter_ = len(self.objectives_)
        self.source_dictionary_ = by_scale(filters, scales, counts)
        if self.fine_tune and target is not source:
            images = self._images(self._drawn(target.X, random), "target")
            filters, self.target_objectives_ = self._learnt(images, filters, supports, "target")
        self.dictionary_ = by_scale(filters, scales, counts)
        if self.coding == "predicted":
            maps = self._coded(images, partial(self._exact, filters), lambda maps: maps)
            filters, thresholds = fitted_predictor(images, maps, filters, supports, self.alpha)
            self.predictor_, self.thresholds_ = by_scale(filters, scales, counts), thresholds
            error = np.square(maps - predicted(images, filters, thresholds), dtype=float).sum()
            self.prediction_error_ = float(error / (np.square(maps, dtype=float).sum() or 1))
        n_cells = sum(math.prod(min(n, k) for n in self.image_shape_) for k in self.pyramid)
        n_entries = n_cells if self.pooling else math.prod(self.image_shape_)
        self._n_features_out = len(filters) * n_entries

    def _image_shape(self) -> tuple[int, int]:
        """Return height and width of the images that are being fitted."""
        if self.shape is not None and len(self.shape) != 2:
            raise ValueError(f"shape must be a height and a width; got {self.shape!r}.")
        given = getattr(self, "input_shape_", None)
        shape = given[1:] if given and len(given) == 3 and given[0] == 1 else given
        if shape is None:
            shape = (1, self.n_features_in_) if self.shape is None else tuple(self.shape)
            if math.prod(shape) != self.n_features_in_:
                raise ValueError(
                    f"shape={self.shape!r} has {math.prod(shape)} pixels, but Xs has "
                    f"{self.n_features_in_} features."
                )
        elif len(shape) != 2 or tuple(self.shape or shape) != shape:
            wanted = "(height, width)" if self.shape is None else f"{tuple(self.shape)}"
            raise ValueError(f"Xs has samples of shape {given}, but {wanted} is needed.")
        return shape

    def _counts(self) -> list[int]:
        if not isinstance(self.n_filters, Sequence):
            return [self.n_filters] * len(self.sizes)
        if len(self.n_filters) != len(self.sizes):
            raise ValueError(
                f"n_filters={self.n_filters!r} has {len(self.n_filters)} entries, but "
                f"sizes={self.sizes!r} has {len(self.sizes)}."
            )
        return list(self.n_filters)

    def _centred(self, X) -> np.ndarray:
        images = X.reshape(-1, *self.image_shape_)
        return images - images.mean(axis=(1, 2), keepdims=True) if self.center else images

    def _images(self, X, domain: str) -> np.ndarray:
        """Return rows as images in units of their domain."""
        return self._centred(X) / X.dtype.type(self._scale(domain))

    def _scale(self, domain: str) -> float:
        return self.source_scale_ if domain == "source" else self.target_scale_

    def _drawn(self, X, random) -> np.ndarray:
        """Return the rows to learn from, in an order that does not hang on that of all."""
        X = X[np.argsort(positions(X), kind="stable")]
        if self.max_samples is not None and self.max_samples < len(X):
            X = X[np.sort(random.permutation(len(X))[: self.max_samples])]
        return X

    def _learnt(self, images, filters, supports, domain: str):
        def report(n_rounds, loss):
            if self.verbose:
                print(f"[MSCSC] {domain}, round {n_rounds}: loss {loss:.6g}")

        filters, history, converged = learnt_filters(
            images,
            filters,
            supports,
            self.alpha,
            max_iter=self.max_iter,
            tol=self.tol,
            n_jobs=self.n_jobs,
            report=report,
        )
        if not converged:
            warnings.warn(
                f"MSCSC's filters still lower the loss of the {domain}'s images after max_iter="
                f"{self.max_iter} rounds. Raise max_iter, or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return filters, np.array(history)

    def _exact(self, filters, images):
        return encoded(images, filters, self.alpha, max_iter=CODING_STEPS, tol=CODING_GAP)

    def _predicted(self, filters, images):
        return predicted(images, filters, self.thresholds_.astype(images.dtype)), 0

    def _map(self, X, domain: str):
        if self.pooling is None:
            return self._described(X, domain, lambda maps: maps.reshape(len(maps), -1))
        how = POOLING[self.pooling]
        return self._described(
            X, domain, lambda maps: pooled(maps, self.pyramid, how) ** self.power
        )

    def _described(self, X, domain: str, describe) -> np.ndarray:
        """Code the images that are rows, and return what `describe` makes of their maps."""
        exact = self.coding == "exact"
        filters = joined(self.dictionary_ if exact else self.predictor_).astype(X.dtype)
        code = partial(self._exact if exact else self._predicted, filters)
        return self._coded(self._images(X, domain), code, describe)

    def _coded(self, images, code, describe) -> np.ndarray:
        def work(part):
            maps, n_left = code(part)
            return describe(maps), n_left

        parts = [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)]
        found = Parallel(self.n_jobs, prefer="threads")(delayed(work)(part) for part in parts)
        n_left = sum(n for _, n in found)
        if n_left:
            warnings.warn(
                f"The codes of {n_left} of {len(images)} images are not exact after "
                f"{CODING_STEPS} steps. A larger alpha makes it easier.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return np.concatenate([described for described, _ in found])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # Columns of a table that are no neighbours, and signs, are lost on it.
        tags.classifier_tags = tags.classifier_tags and replace(
            tags.classifier_tags, poor_score=True
        )
        tags.regressor_tags = tags.regressor_tags and replace(tags.regressor_tags, poor_score=True)
        return tags
