"""Backbones: networks from images, spectra and sequences to features.

Each is an ``nn.Sequential``, so that its layers can be aligned or frozen one by one, and is given
as a class or a callable, ``DANN(module=LeNet)``: every fit makes a new one from `random_state`.
"""

from __future__ import annotations

import math
import numbers
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any, overload

from torch import Tensor, nn

__all__ = ["LeNet", "ResNet", "SpectrumNet"]


class _Backbone(nn.Sequential):
    """Layers that are cut like those of any ``nn.Sequential``."""

    @overload
    def __getitem__(self, index: slice) -> nn.Sequential: ...

    @overload
    def __getitem__(self, index: int) -> nn.Module: ...

    def __getitem__(self, index):
        """Return a part, or of several parts a plain ``nn.Sequential``."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)


def _positive(cls: type, **parameters) -> None:
    """Check that parameters are positive integers, or not empty sequences of these."""
    for name, value in parameters.items():
        values = value if isinstance(value, Sequence) else (value,)
        legal = all(isinstance(v, numbers.Integral) and int(v) > 0 for v in values)
        if not legal or not len(values):
            raise ValueError(f"{name} of {cls.__name__} must be 1 or more; got {value!r}.")


def _image_shape(cls: type, input_shape, image_shape) -> tuple[tuple[int, ...], list[nn.Module]]:
    """Return (channels, height, width), and what brings the rows into this shape."""
    given = tuple(input_shape) if isinstance(input_shape, Sequence) else (input_shape,)
    shape = given if image_shape is None else tuple(image_shape)
    if math.prod(shape) != math.prod(given):
        raise ValueError(
            f"{cls.__name__} was given image_shape={shape}, that is {math.prod(shape)} numbers, "
            f"but a sample has the shape {given}."
        )
    if len(shape) == 2:  # grey images without an axis of channels
        shape = (1, *shape)
    if len(shape) != 3:
        raise ValueError(
            f"{cls.__name__} needs images, but a sample has the shape {shape}. Give X of shape "
            "(n, channels, height, width), or say how a row is folded: "
            f"module=functools.partial({cls.__name__}, image_shape=(channels, height, width))."
        )
    return shape, [] if shape == given else [nn.Flatten(), nn.Unflatten(1, shape)]


def _halved(size: int) -> int:
    return math.ceil(size / 2)


class LeNet(_Backbone):
    """Turn small grey or colour images into features by convolutions and pooling, as LeNet does.

    Per entry of `n_channels` a convolution that keeps the image's size, 2 x 2 maximum pooling and
    ReLU, then a fully connected layer with ReLU. Use it as ``module=LeNet`` for images of some 8 to
    64 pixels a side in which parts may move a little. Each convolution is a layer of its own that
    can be aligned or frozen, and so is the fully connected layer, which is the last.

    Parameters
    ----------
    input_shape : tuple of int, or int
        The shape of a sample, (channels, height, width) or (height, width); the estimators fill it
        in. Where they were given plain rows it is the number of features, and `image_shape` must
        tell how they are folded.
    image_shape : tuple of int or None, default=None
        The shape of an image, (channels, height, width) or (height, width), where the samples are
        plain rows: ``module=functools.partial(LeNet, image_shape=(1, 16, 16))``.
    n_channels : sequence of int, default=(8, 16)
        The channels of each convolution, 1 or more.
    kernel_size : int, default=5
        The side of the filters, 1 or more.
    n_features : int, default=128
        The width of the fully connected layer, 1 or more.

    Raises
    ------
    ValueError
        Where the samples are no images, or a parameter is illegal.

    See Also
    --------
    ResNet : Deeper, for images in which more than strokes counts.
    SpectrumNet : For spectra and sequences.

    Notes
    -----
    The paper's LeNet-5 has 6 and 16 channels, averages in pooling and has tanh and two fully
    connected layers of 120 and 84. ADDA and others call a larger network with 20 and 50 channels,
    maxima and ReLU by the same name, whose fully connected layer has 500:
    ``functools.partial(LeNet, n_channels=(20, 50), n_features=500)``; it costs five times as much.
    Here the convolutions pad the image with zeros, so that small images too leave something to the
    next layer; there they don't.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner. Gradient-based learning applied to document recognition.
    Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdtl import DANN
    >>> from skdtl.deep import LeNet
    >>> images, y = load_digits(return_X_y=True)
    >>> images = images.reshape(-1, 1, 8, 8) / 16
    >>> model = DANN(module=LeNet, max_epochs=2, random_state=0)
    >>> model.fit(images[:400], y[:400], images[400:500]).transform(images[:3]).shape
    (3, 128)
    """

    def __init__(
        self,
        input_shape: int | Sequence[int],
        *,
        image_shape: Sequence[int] | None = None,
        n_channels: Sequence[int] = (8, 16),
        kernel_size: int = 5,
        n_features: int = 128,
    ):
        cls = type(self)
        _positive(cls, n_channels=n_channels, kernel_size=kernel_size, n_features=n_features)
        (channels, height, width), parts = _image_shape(cls, input_shape, image_shape)
        for n in n_channels:
            # The maximum first: ReLU of the maximum is the maximum of the ReLU, on fewer pixels.
            pool = nn.MaxPool2d(2, ceil_mode=True)
            parts += [nn.Conv2d(channels, n, kernel_size, padding="same"), pool, nn.ReLU()]
            channels, height, width = n, _halved(height), _halved(width)
        parts += [nn.Flatten(), nn.Linear(channels * height * width, n_features), nn.ReLU()]
        super().__init__(*parts)


def _normalization(name: str, n_channels: int) -> nn.Module:
    if name == "batch":
        return nn.BatchNorm2d(n_channels)
    return nn.GroupNorm(math.gcd(8, n_channels), n_channels)


class _Residual(nn.Module):
    """Two convolutions and a shortcut past both: ReLU(F(x) + shortcut(x))."""

    def __init__(self, n_inputs: int, n_outputs: int, stride: int, normalize):
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(n_inputs, n_outputs, 3, stride, 1, bias=False),
            normalize(n_outputs),
            nn.ReLU(),
            nn.Conv2d(n_outputs, n_outputs, 3, 1, 1, bias=False),
            normalize(n_outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_inputs != n_outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_inputs, n_outputs, 1, stride, bias=False), normalize(n_outputs)
            )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.change(x) + self.shortcut(x))


class ResNet(_Backbone):
    """Turn small images into features by a few residual blocks.

    A 3 x 3 convolution, then residual blocks of two 3 x 3 convolutions and a shortcut; the first
    block of every stage but the first halves the image. The mean over all pixels is the
    last layer's output. Use it as ``module=ResNet`` for images of some 8 to 64 pixels a side where
    :class:`LeNet` is too small and a few thousand images are there: a step costs several times as
    much. The first convolution and every block is a layer that can be aligned or frozen.

    Parameters
    ----------
    input_shape : tuple of int, or int
        The shape of a sample, (channels, height, width) or (height, width); the estimators fill it
        in. Where they were given plain rows it is the number of features, and `image_shape` must
        tell how they are folded.
    image_shape : tuple of int or None, default=None
        The shape of an image, (channels, height, width) or (height, width), where the samples are
        plain rows: ``module=functools.partial(ResNet, image_shape=(1, 16, 16))``.
    n_channels : sequence of int, default=(16, 32, 64)
        The channels of the blocks of each stage, 1 or more. The last is the number of features.
    n_blocks : int, default=1
        The blocks of each stage, 1 or more.
    normalization : {"group", "batch"}, default="group"
        How the output of every convolution is normalised. "group" normalises each image by itself,
        in groups of channels (8 of them where the channels allow it). "batch" normalises over all
        images of a batch: rows of both domains pass through together and so share one mean, in
        which the target has its part even where λ is 0, and prediction uses running averages of
        such mixed batches.

    Raises
    ------
    ValueError
        Where the samples are no images, or a parameter is illegal.

    See Also
    --------
    LeNet : Smaller and faster.

    Notes
    -----
    The paper's networks of section 4.2 have stages of 16, 32 and 64 channels, with `n_blocks` from
    3 to 18 and batch normalisation; where a shortcut changes the number of channels, it is a
    convolution of 1 x 1 pixels here (the paper's option B).

    References
    ----------
    He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016.

    Wu, He. Group normalization. ECCV 2018.

    Examples
    --------
    >>> from functools import partial
    >>> from sklearn.datasets import load_digits
    >>> from skdtl import DDC
    >>> from skdtl.deep import ResNet
    >>> images, y = load_digits(return_X_y=True)
    >>> images = images.reshape(-1, 1, 8, 8) / 16
    >>> model = DDC(module=partial(ResNet, n_channels=(8, 16)), max_epochs=1, random_state=0)
    >>> model.fit(images[:200], y[:200], images[200:300]).transform(images[:3]).shape
    (3, 50)
    """

    def __init__(
        self,
        input_shape: int | Sequence[int],
        *,
        image_shape: Sequence[int] | None = None,
        n_channels: Sequence[int] = (16, 32, 64),
        n_blocks: int = 1,
        normalization: str = "group",
    ):
        cls = type(self)
        _positive(cls, n_channels=n_channels, n_blocks=n_blocks)
        if normalization not in ("group", "batch"):
            raise ValueError(
                f"normalization of {cls.__name__} must be 'group' or 'batch'; got "
                f"{normalization!r}."
            )
        (channels, _, _), parts = _image_shape(cls, input_shape, image_shape)
        normalize = partial(_normalization, normalization)
        first = n_channels[0]
        stem = nn.Conv2d(channels, first, 3, padding=1, bias=False)
        parts += [stem, normalize(first), nn.ReLU()]
        channels = first
        for stage, n in enumerate(n_channels):
            for block in range(n_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                parts.append(_Residual(channels, n, stride, normalize))
                channels = n
        super().__init__(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class SpectrumNet(_Backbone):
    """Turn spectra and other sequences into features by convolutions along them.

    Per entry of `n_channels` a convolution that keeps the length, maximum pooling and ReLU, then a
    fully connected layer with ReLU. Use it as ``module=SpectrumNet`` where neighbouring columns
    belong together, as wavelengths and moments in time do: plain tables of shape
    (n, n_features), whose columns are in order, or arrays of shape (n, channels, length). Don't
    for columns whose order means nothing. Each convolution is a layer of its own that can be
    aligned or frozen, and so is the fully connected layer, which is the last.

    Parameters
    ----------
    input_shape : int or tuple of int
        The number of features, or (channels, length); the estimators fill it in.
    n_channels : sequence of int, default=(8, 16)
        The channels of each convolution, 1 or more.
    kernel_size : int, default=9
        The length of the filters, 1 or more.
    pool_size : int, default=2
        Of so many neighbours each maximum is kept, 1 or more.
    n_features : int, default=64
        The width of the fully connected layer, 1 or more.

    Raises
    ------
    ValueError
        Where the samples are no sequences, or a parameter is illegal.

    See Also
    --------
    LeNet : For images.

    Examples
    --------
    >>> import numpy as np
    >>> from skdtl import DDCRegressor
    >>> from skdtl.deep import SpectrumNet
    >>> rng = np.random.default_rng(0)
    >>> y = rng.uniform(size=120)
    >>> spectra = y[:, None] * np.sin(np.linspace(0, 9, 60)) + rng.normal(scale=0.1, size=(120, 60))
    >>> model = DDCRegressor(module=SpectrumNet, lr=0.01, max_epochs=30, random_state=0)
    >>> model.fit(spectra[:80], y[:80], spectra[80:]).score(spectra[80:], y[80:]) > 0.8
    True
    """

    def __init__(
        self,
        input_shape: int | Sequence[int],
        *,
        n_channels: Sequence[int] = (8, 16),
        kernel_size: int = 9,
        pool_size: int = 2,
        n_features: int = 64,
    ):
        cls = type(self)
        sizes: dict[str, Any] = {"kernel_size": kernel_size, "pool_size": pool_size}
        _positive(cls, n_channels=n_channels, n_features=n_features, **sizes)
        given = tuple(input_shape) if isinstance(input_shape, Sequence) else (input_shape,)
        if len(given) > 2:
            raise ValueError(
                f"{cls.__name__} needs sequences, (n, length) or (n, channels, length), but a "
                f"sample has the shape {given}."
            )
        parts: list[nn.Module] = []
        if len(given) == 1:
            given = (1, *given)
            parts.append(nn.Unflatten(1, given))
        channels, length = given
        for n in n_channels:
            pool = nn.MaxPool1d(pool_size, ceil_mode=True)
            parts += [nn.Conv1d(channels, n, kernel_size, padding="same"), pool, nn.ReLU()]
            channels, length = n, math.ceil(length / pool_size)
        parts += [nn.Flatten(), nn.Linear(channels * length, n_features), nn.ReLU()]
        super().__init__(*parts)
