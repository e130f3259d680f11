"""DeepHashing: binary codes that are alike for rows of one class, in both domains."""

from __future__ import annotations

from .._constraints import OneOf, Real
from .._parameters import parameter
from ..deep._parameters import ESTIMATE, LAM, LAYERS, Lam, Layers
from ..deep.alignments import MultiKernelMMD
from ..deep.codes import CodeEntropy, Quantization
from ..deep.hashing import HashingClassifierBase

__all__ = ["DeepHashing"]


class DeepHashing(HashingClassifierBase):
    """Train a network whose binary codes are alike for rows of one class, in both domains.

    A row becomes `n_bits` bits, and is compared with others by counting the bits in which they
    differ (:func:`~skdtl.metrics.hamming_neighbors`): a million rows of 64 bits are 8 MB. The
    source's labels say which rows are to have like codes; the target, which needs none, is adapted
    to by the multi-kernel MMD of the last layers and by letting each target row's code go with the
    source's codes of one class. Use it to find rows of one domain by rows of the other, or where
    rows of both are to be kept as codes. Where classes alone are wanted, compare with
    :class:`~skdtl.DAN`, which costs less. Don't where the classes' frequencies differ much between
    the domains: to look alike, the codes must then mix classes up. Standardise the columns first
    (StandardScaler in a Pipeline).

    ``transform`` gives the codes as -1 and 1, ``pack`` as bits, eight to a byte. Classes are
    predicted by some source rows' codes, the anchors, which are kept with the network.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.

    See Also
    --------
    skdtl.metrics.hamming_neighbors : The nearest of packed codes.
    RetrievalScorer : Mean average precision, as a scorer.
    DAN : The same alignment, for class probabilities.

    Notes
    -----
    With u the network's output for a row, whose signs are its code, the loss is the mean of
    W_ij [log(1 + exp(a)) - s_ij a], a = ⟨u_i, u_j⟩ / 2, over all pairs of a batch's labelled rows,
    a row with itself included (s_ij = 1 for rows of one class, else 0; W_ij is `similar_weight` or
    1; it is divided by the sum of the W_ij), plus `quantization_weight` times the mean of
    (sign(u) - u)² over the bits of the source's rows, plus λ times the multi-kernel MMD of
    `layers` as :class:`~skdtl.DAN` has it, plus λ times `entropy_weight` times the mean entropy of
    p_j = Σ_k exp⟨u, u_k⟩ / Σ exp⟨u, u_k⟩ over the batch's target rows without a label, k over the
    source's rows of class j. Labelled target rows join the pairs. ``predict_proba`` is p, with the
    anchors for the source's rows. The probabilities are far from calibrated: with many bits they
    are near 0 or 1.

    The paper's sums are means here, so that weights don't depend on `batch_size` and `n_bits`. Its
    settings: 64 bits, ``similar_weight=10``, ``batch_size=5 * n_classes``, ``n_anchors=5``,
    ``entropy_weight=1``, ``estimate="linear"``. Two defaults differ for a reason. In batches of
    equally many rows of C classes there are C - 1 times as many unlike pairs as like ones: the
    paper's 10 suits a dozen classes, and makes too much of like pairs where there are two. The
    entropy confirms first mistakes: on four pairs of domains of office photographs and a made
    shift, one draw of each, a weight of 1 led to a mean accuracy of 59.3 %, one of 0.1 to 60.3 %,
    none to 61.2 %, and the hash without adaptation to 56.4 %. Quantisation looks at the source's
    rows alone, as in the paper: where target rows, too, were drawn to the nearest signs before they
    were aligned, digits fell to chance.

    A fit takes about one and a half times as long as one of :class:`~skdtl.DAN`. Without a target
    the codes are those of the source alone. A class of which a training by ``partial_fit`` has seen
    no row is never predicted.

    References
    ----------
    Venkateswara, Eusebio, Chakraborty, Panchanathan. Deep hashing network for unsupervised domain
    adaptation. CVPR 2017 (equations 1 to 7).

    Zhu, Long, Wang, Cao. Deep hashing network for efficient similarity retrieval. AAAI 2016 (the
    pairwise loss and the quantisation).

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DeepHashing
    >>> from skdtl.metrics import hamming_neighbors
    >>> rng = np.random.default_rng(0)
    >>> ys = rng.integers(2, size=400)
    >>> Xs = rng.normal(size=(400, 2)) + 4 * ys[:, None]
    >>> Xt = Xs + [1.0, -1.0]
    >>> model = DeepHashing(n_bits=16, max_epochs=20, random_state=0).fit(Xs, ys, Xt)
    >>> model.score(Xt, ys) > 0.9
    True

    Which source rows are like the first three target rows?

    >>> model.pack(Xt).shape
    (400, 2)
    >>> _, found = hamming_neighbors(model.pack(Xt[:3]), model.pack(Xs), n_neighbors=10)
    >>> bool((ys[found] == ys[:3, None]).mean() > 0.8)
    True
    """

    lam: Lam = parameter(
        default="ramp",
        legal=LAM,
        text="""
        λ, the weight of the squared MMD. "ramp" rises from 0 to 1 over the training
        (:class:`~skdtl.deep.Ramp`); a callable gives λ for the training progress p, which runs from
        0 to 1. With 0 nothing is learnt of target rows without a label.
        """,
    )
    entropy_weight: float = parameter(
        default=0.1,
        legal=Real(0, None),
        text="The weight of the target's entropy, as a multiple of λ.",
    )
    quantization_weight: float = parameter(
        default=1.0,
        legal=Real(0, None),
        text="The weight of the squared distance between outputs and their signs.",
    )
    similar_weight: float | str = parameter(
        default="balanced",
        legal=(Real(0, None, closed="neither"), OneOf("balanced")),
        text="""
        W: how much a pair of rows of one class counts in the loss; others count 1. "balanced" is
        the number of classes less 1: as a batch has as many rows of each class, both kinds of pairs
        then count as much.
        """,
    )
    layers: Layers = parameter(
        default=(-1, "output"),
        legal=LAYERS,
        text="""
        Which layers are aligned, each by itself: hidden ones by their index, of which -1 is the
        last, or the network's output (as tanh u). None means all hidden layers.
        """,
    )
    estimate: str = ESTIMATE
    batch_size: int = parameter(
        default=128,
        text="""
        At most so many rows of each domain are in a batch. The source's are equally many of each
        class, but one at least.
        """,
    )

    _balanced_batches = True

    def _weight_of_similar(self) -> float:
        weight = self.similar_weight
        return len(self.classes_) - 1 if isinstance(weight, str) else weight

    def _terms(self):
        return [
            Quantization(self.quantization_weight),
            MultiKernelMMD(estimate=self.estimate, layers=self.layers),
            CodeEntropy(self.entropy_weight),
        ]
