"""Hypotheses of order: memory taken to be in another order of axes than it is, kernels flipped, and wrong indices into matrices of patches.

Kernels reorder arrays all the time (im2col, NCHW inside, OIHW weights); a `reshape` where a `transpose` is due keeps the memory and
mistakes its order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from convverify.campaign.diagnosing.hypothesis import change_of
from convverify.campaign.diagnosing.scene import Change, Floats, Scene

_IMAGE, _WEIGHTS = "NHWC", "HWIO"


def _reread(array: Floats, stored: tuple[int, ...], read: tuple[int, ...]) -> Floats:
    """Return the array that a reader sees who takes memory for another order of the axes than it was stored in."""
    memory = np.ascontiguousarray(array.transpose(stored)).ravel()
    return memory.reshape([array.shape[axis] for axis in read]).transpose(np.argsort(read))


def _told(letters: str, order: tuple[int, ...]) -> str:
    return ", ".join(letters[axis] for axis in order)


def _orders(stored: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [order for order in itertools.permutations(range(4)) if order != stored]


def _weights_read(stored: tuple[int, ...], read: tuple[int, ...]) -> Change:
    return lambda scene: scene.with_(w=_reread(scene.w, stored, read))


def _image_read(stored: tuple[int, ...], read: tuple[int, ...]) -> Change:
    return lambda scene: scene.with_(x=_reread(scene.x, stored, read))


def _result_stored(stored: tuple[int, ...], read: tuple[int, ...]) -> Change:
    return lambda scene: scene.with_(then=(*scene.then, lambda y: _reread(y, stored, read)))


_HWIO, _OIHW, _NHWC, _NCHW = (0, 1, 2, 3), (3, 2, 0, 1), (0, 1, 2, 3), (0, 3, 1, 2)

# Weights.


def _weights(words: str, change: Callable[[Floats], Floats], *, common: bool = True) -> None:
    """Register other weights of the same shape."""

    def changed(scene: Scene) -> Scene | None:
        other = change(scene.w)
        return scene.with_(w=other) if other.shape == scene.w.shape else None

    change_of(words, changed, common=common)


_weights("kernel flipped (true convolution)", lambda w: w[::-1, ::-1])
_weights("kernel flipped top to bottom", lambda w: w[::-1])
_weights("kernel flipped left to right", lambda w: w[:, ::-1])
_weights("kernel's height and width swapped", lambda w: w.swapaxes(0, 1))
_weights("kernel turned by a quarter, counterclockwise", lambda w: np.rot90(w))
_weights("kernel turned by a quarter, clockwise", lambda w: np.rot90(w, -1))
_weights("kernel moved by one row", lambda w: np.roll(w, 1, 0), common=False)
_weights("kernel moved by one column", lambda w: np.roll(w, 1, 1), common=False)
_weights("weights used twice", lambda w: 2.0 * w)
_weights("sign of the result changed", lambda w: -w)
_weights("input and output channels of the weights swapped", lambda w: w.swapaxes(2, 3))
_weights("input channels in reverse order", lambda w: w[:, :, ::-1])
_weights("output channels in reverse order", lambda w: w[..., ::-1])
for _read in _orders(_HWIO):
    change_of(
        f"weights read in {_told(_WEIGHTS, _read)} order (reshaped, not transposed)", _weights_read(_HWIO, _read), common=_read == _OIHW
    )
for _read in _orders(_OIHW):
    change_of(f"weights stored in {_told(_WEIGHTS, _OIHW)} order and read in {_told(_WEIGHTS, _read)}", _weights_read(_OIHW, _read))
for _stored in _orders(_HWIO):
    if _stored != _OIHW:
        change_of(f"weights stored in {_told(_WEIGHTS, _stored)} order and read in H, W, I, O", _weights_read(_stored, _HWIO))

# Images and results.

change_of("image read as NCHW", _image_read(_NHWC, _NCHW), common=True)
for _read in _orders(_NHWC):
    if _read != _NCHW:
        change_of(f"image read in {_told(_IMAGE, _read)} order (reshaped, not transposed)", _image_read(_NHWC, _read))
for _read in _orders(_NCHW):
    change_of(f"image stored in {_told(_IMAGE, _NCHW)} order and read in {_told(_IMAGE, _read)}", _image_read(_NCHW, _read))
for _stored in _orders(_NHWC):
    if _stored != _NCHW:
        change_of(f"image stored in {_told(_IMAGE, _stored)} order and read in N, H, W, C", _image_read(_stored, _NHWC))
    change_of(
        f"result computed in {_told(_IMAGE, _stored)} order and reshaped, not transposed",
        _result_stored(_stored, _NHWC),
        common=_stored == _NCHW,
    )
for _stored in _orders(_NCHW):
    change_of(f"result computed in {_told(_IMAGE, _stored)} order and reshaped to N, C, H, W", _result_stored(_stored, _NCHW))


def _transposed(words: str, swap: Callable[[Floats], Floats]) -> None:
    """Register a result whose rows or columns are elsewhere; its shape may change."""
    change_of(words, lambda scene: scene.with_(then=(*scene.then, swap)), common=True)


_transposed("output's height and width swapped", lambda y: y.swapaxes(1, 2))
_transposed("output upside down", lambda y: y[:, ::-1])
_transposed("output mirrored left to right", lambda y: y[:, :, ::-1])


def _image_transposed(scene: Scene) -> Scene | None:
    return scene.with_(x=scene.x.swapaxes(1, 2)) if scene.x.shape[1] == scene.x.shape[2] else None


change_of("image's height and width swapped", _image_transposed, common=True)
change_of("image upside down", lambda scene: scene.with_(x=scene.x[:, ::-1]), common=True)
change_of("image mirrored left to right", lambda scene: scene.with_(x=scene.x[:, :, ::-1]), common=True)

# Addresses: how far apart in memory rows, or images, are taken to be.


def _pitch(words: str, rows: Callable[[Scene], int], images: Callable[[Scene], int]) -> None:
    """Register other distances, in pixels, from row to row and from image to image of x; beyond its memory lie zeros."""

    def change(scene: Scene) -> Scene | None:
        batch, height, width, channels = scene.x.shape
        pitches = images(scene), rows(scene)
        if pitches == (height * width, width) or not scene.x.size:
            return None
        image, row, column = np.ogrid[:batch, :height, :width]
        address = image * pitches[0] + row * pitches[1] + column
        memory = np.concatenate([scene.x.reshape(-1, channels), np.zeros((1, channels))])
        return scene.with_(x=memory[np.minimum(address, len(memory) - 1)])

    change_of(words, change)


def _area(scene: Scene) -> int:
    return scene.rows.extent * scene.columns.extent


_pitch("rows of x addressed by its height instead of its width", lambda scene: scene.rows.extent, _area)
_pitch("rows of x addressed by the output's width instead of its own", lambda scene: scene.columns.outputs, _area)
_pitch("rows of x addressed by the padded width", lambda scene: scene.columns.extent + sum(scene.columns.pads), _area)
_pitch("rows of x addressed by the stride's multiple of its width", lambda scene: scene.columns.extent * scene.columns.stride, _area)
_pitch(
    "images of x addressed by the output's area instead of its own",
    lambda scene: scene.columns.extent,
    lambda scene: scene.rows.outputs * scene.columns.outputs,
)


def _output_pitch(words: str, rows: Callable[[Scene], int]) -> None:
    """Register another distance from row to row of the result: what is written later stays, what is not written is zero."""

    def change(scene: Scene) -> Scene | None:
        pitch = rows(scene)

        def then(y: Floats) -> Floats:
            images, height, width, channels = y.shape
            image, row, column = np.ogrid[:images, :height, :width]
            address = np.broadcast_to(image * height * width + row * pitch + column, y.shape[:3]).ravel()
            memory = np.zeros((max(int(address.max(initial=0)) + 1, images * height * width), channels))
            memory[address] = y.reshape(-1, channels)  # numpy keeps the last of equal indices
            return memory[: images * height * width].reshape(y.shape)

        return None if pitch == scene.columns.outputs else scene.with_(then=(*scene.then, then))

    change_of(words, change)


_output_pitch("rows of the result written at distances of its height", lambda scene: scene.rows.outputs)
_output_pitch("rows of the result written at distances of the image's width", lambda scene: scene.columns.extent)

# Matrices of patches (im2col): the place of a tap in a row of the matrix, with one extent taken for another.


def _pitches(scene: Scene) -> dict[str, tuple[int, int, int]]:
    """Return for each faulty index how far apart in the matrix it puts (kernel rows, kernel columns, channels)."""
    height, width = scene.w.shape[:2]
    return {
        "kernel's height for its width": (height, 1, height * width),  # with channels last, the same columns are lost
        "kernel's width for its height, channels first": (width, 1, width * width),
        "kernel's height squared for its area, channels first": (width, 1, height * height),
        "channels forgotten, channels last": (width, 1, 1),
        "output channels for input channels, channels last": (width * scene.w.shape[3], scene.w.shape[3], 1),
    }


def _right_pitches(scene: Scene, words: str) -> tuple[int, int, int]:
    height, width, inputs = scene.w.shape[:3]
    return (width * inputs, inputs, 1) if words.endswith("last") else (width, 1, height * width)


def _patches_written(words: str) -> Change:
    """Each tap's pixels are written into a wrong column of the matrix: the last one written stays, columns not written are zero."""

    def change(scene: Scene) -> Scene | None:
        pitches, right = _pitches(scene)[words], _right_pitches(scene, words)
        if pitches == right or not scene.w.size:
            return None
        taps = np.indices(scene.w.shape[:3]).reshape(3, -1)
        order = np.lexsort(taps[[2, 1, 0]] if words.endswith("last") else taps[[1, 0, 2]])  # as loops write them
        written, meant = (np.tensordot(np.array(pitch), taps, 1)[order] for pitch in (pitches, right))
        filters = scene.w.reshape(-1, scene.w.shape[3])[order]
        by_column = np.zeros((max(int(written.max()), int(meant.max())) + 1, scene.w.shape[3]))
        by_column[meant] = filters
        last = np.full(len(by_column), -1)
        last[written] = np.arange(len(written))  # numpy keeps the last of equal indices
        kept = last[written] == np.arange(len(written))
        seen = np.where(kept[:, None], by_column[written], 0.0)
        w = np.empty_like(seen)
        w[order] = seen
        return scene.with_(w=w.reshape(scene.w.shape))

    return change


def _patches_read(scene: Scene, divisor: int, inner_columns: bool) -> Scene | None:
    """Each column of the matrix is decoded to a tap by a wrong divisor: taps beyond the kernel read what lies there."""
    height, width = scene.w.shape[:2]
    if (divisor == width and inner_columns) or scene.taps is not None or divisor == 0:
        return None
    number = np.arange(height * width).reshape(height, width)
    outer, inner = number // divisor, number % divisor
    return scene.with_(taps=(outer, inner) if inner_columns else (inner, outer))


for _words in (
    "kernel's height for its width",
    "kernel's width for its height, channels first",
    "kernel's height squared for its area, channels first",
    "channels forgotten, channels last",
    "output channels for input channels, channels last",
):
    change_of(f"patches written to the wrong column of im2col ({_words})", _patches_written(_words))
change_of("im2col's column decoded with the kernel's height for its width", lambda scene: _patches_read(scene, scene.w.shape[0], True))
change_of("im2col's column decoded in the other order of rows and columns", lambda scene: _patches_read(scene, scene.w.shape[0], False))
