"""Kernels with one fault each, as people write them, for the tests of the diagnosis: loops and NumPy, and nothing of convverify's own."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

Array = np.ndarray


def same(extent: int, taps: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """SAME's pads, as TensorFlow's documentation has them."""
    reach = (taps - 1) * dilation + 1
    total = max(reach - (extent % stride or stride), 0)
    return total // 2, total - total // 2


class Ask:
    """What a kernel is asked: the parameters in lists that a fault may change before the loops run."""

    def __init__(self, x: Array, w: Array, strides: Any, padding: Any, dilations: Any, groups: int) -> None:
        self.x, self.w, self.groups = x, w, groups
        self.strides, self.dilations, self.padding = list(strides), list(dilations), padding
        self.extents, self.taps = list(x.shape[1:3]), list(w.shape[:2])
        if padding == "SAME":
            self.pads = [same(*numbers) for numbers in zip(self.extents, self.taps, self.strides, self.dilations, strict=True)]
        else:
            self.pads = [(0, 0), (0, 0)] if padding == "VALID" else [tuple(pair) for pair in padding[1:3]]
        self.shape = self.counted()

    def counted(self) -> list[int]:
        """How many windows fit along each axis."""
        return [max(0, self.room(axis) // self.strides[axis] + 1) for axis in (0, 1)]

    def room(self, axis: int) -> int:
        return self.extents[axis] + sum(self.pads[axis]) - (self.taps[axis] - 1) * self.dilations[axis] - 1

    def pixel(self, n: int, row: int, column: int) -> Array:
        """The channels of a pixel; zeros outside of the image."""
        if 0 <= row < self.x.shape[1] and 0 <= column < self.x.shape[2]:
            return self.x[n, row, column]
        return np.zeros(self.x.shape[3])

    def loops(self, pixel: Any = None) -> Array:
        """The definition, with whatever parameters there are by now."""
        y = np.zeros((len(self.x), *self.shape, self.w.shape[3]))
        pixel = pixel or self.pixel
        inputs, outputs = self.w.shape[2], self.w.shape[3] // self.groups
        for n, i, j in itertools.product(range(len(self.x)), range(self.shape[0]), range(self.shape[1])):
            for a, b in itertools.product(range(self.taps[0]), range(self.taps[1])):
                row = i * self.strides[0] + a * self.dilations[0] - self.pads[0][0]
                column = j * self.strides[1] + b * self.dilations[1] - self.pads[1][0]
                seen = pixel(n, row, column)
                for g in range(self.groups):
                    of_group = slice(g * outputs, (g + 1) * outputs)
                    y[n, i, j, of_group] += seen[g * inputs : (g + 1) * inputs] @ self.w[a, b, :, of_group]
        return y


def convolution(ask: Ask) -> Array:
    """Without a fault."""
    return ask.loops()


# Geometry.


def strides_swapped(ask: Ask) -> Array:
    ask.strides.reverse()
    ask.shape = ask.counted()
    return ask.loops()


def strides_swapped_in_the_loops(ask: Ask) -> Array:
    ask.strides.reverse()
    return ask.loops()


def one_stride(ask: Ask) -> Array:
    ask.strides[1] = ask.strides[0]
    ask.shape = ask.counted()
    return ask.loops()


def window_and_step_exchanged(ask: Ask) -> Array:
    """The pairs of strides of `as_strided` in the wrong places."""
    ask.strides, ask.dilations = ask.dilations, ask.strides
    return ask.loops()


def window_and_step_exchanged_in_as_strided(ask: Ask) -> Array:
    """The same, in memory that knows of no rows; what lies behind the image is zero."""
    if ask.groups != 1:
        raise NotImplementedError
    ask.x = np.pad(ask.x, ((0, 0), *ask.pads, (0, 0)))
    batch, _, width, channels = ask.x.shape
    y = np.zeros((batch, *ask.shape, ask.w.shape[3]))
    for n, image in enumerate(ask.x):
        memory = np.concatenate([image.reshape(-1, channels), np.zeros((10_000, channels))])
        for i, j, a, b in np.ndindex(*ask.shape, *ask.taps):
            row, column = i * ask.dilations[0] + a * ask.strides[0], j * ask.dilations[1] + b * ask.strides[1]
            y[n, i, j] += memory[row * width + column] @ ask.w[a, b]
    return y


def dilations_counted_from_zero(ask: Ask) -> Array:
    ask.dilations = [dilation + 1 for dilation in ask.dilations]
    ask.shape = ask.counted()
    return ask.loops()


def one_image_size(ask: Ask) -> Array:
    """np.pad and loops that know the height alone."""
    side = ask.x.shape[1]
    square = np.zeros((len(ask.x), side, side, ask.x.shape[3]))
    columns = min(side, ask.x.shape[2])
    square[:, :, :columns] = ask.x[:, :, :columns]
    ask.x, ask.extents[1] = square, side
    ask.shape = ask.counted()
    return ask.loops()


def flipped_and_cropped(ask: Ask) -> Array:
    """The full convolution, of which the first corner is kept."""
    if ask.strides != [1, 1] or ask.dilations != [1, 1] or ask.groups != 1:
        raise NotImplementedError
    tall, wide = ask.taps
    padded = np.pad(ask.x, ((0, 0), *ask.pads, (0, 0)))
    full = np.zeros((len(padded), padded.shape[1] + tall - 1, padded.shape[2] + wide - 1, ask.w.shape[3]))
    for a, b in itertools.product(range(tall), range(wide)):
        full[:, a : a + padded.shape[1], b : b + padded.shape[2]] += padded @ ask.w[a, b]
    return full[:, : ask.shape[0], : ask.shape[1]]


def cropped(ask: Ask) -> Array:
    """The same with the kernel turned for correlation."""
    ask.w = ask.w[::-1, ::-1]
    return flipped_and_cropped(ask)


def last_row_and_column_missing(ask: Ask) -> Array:
    y = ask.loops()
    y[:, -1:] = 0.0
    y[:, :, -1:] = 0.0
    return y


def rounded_up(ask: Ask) -> Array:
    ask.shape = [max(0, -(-ask.room(axis) // ask.strides[axis]) + 1) for axis in (0, 1)]
    return ask.loops()


def phantom(ask: Ask) -> Array:
    ask.shape = [max(1, count) for count in ask.shape]
    return ask.loops()


def extents_in_bytes(ask: Ask) -> Array:
    ask.shape = [int(np.uint8(count % 256)) for count in ask.shape]
    return ask.loops()


def places_in_bytes(ask: Ask) -> Array:
    y = ask.loops()
    memory = np.zeros(y.size)
    for number, value in enumerate(y.ravel()):
        memory[number & 255] = value
    return memory.reshape(y.shape)


def late(ask: Ask) -> Array:
    ask.pads = [(before - (stride - 1), after) for (before, after), stride in zip(ask.pads, ask.strides, strict=True)]
    return ask.loops()


# Padding.


def same_not_clamped(ask: Ask) -> Array:
    if ask.padding == "SAME":
        ask.pads = []
        for extent, taps, stride, dilation in zip(ask.extents, ask.taps, ask.strides, ask.dilations, strict=True):
            total = (-(-extent // stride) - 1) * stride + (taps - 1) * dilation + 1 - extent
            ask.pads.append((total // 2, total - total // 2))
    return ask.loops()


def same_of_the_height(ask: Ask) -> Array:
    if ask.padding == "SAME":
        ask.pads[1] = same(ask.extents[1], ask.taps[0], ask.strides[1], ask.dilations[1])
        ask.shape = ask.counted()
    return ask.loops()


def same_pads_of_the_height(ask: Ask) -> Array:
    if ask.padding == "SAME":
        ask.pads[1] = ask.pads[0]
        ask.shape = ask.counted()
    return ask.loops()


def same_keeps_the_size(ask: Ask) -> Array:
    if ask.padding == "SAME":
        totals = [
            (extent - 1) * stride + (taps - 1) * dilation + 1 - extent
            for extent, taps, stride, dilation in zip(ask.extents, ask.taps, ask.strides, ask.dilations, strict=True)
        ]
        ask.pads = [(total // 2, total - total // 2) for total in totals]
        ask.shape = ask.counted()
    return ask.loops()


def same_k_minus_stride(ask: Ask) -> Array:
    if ask.padding == "SAME":
        totals = [
            max(0, (taps - 1) * dilation + 1 - stride) for taps, stride, dilation in zip(ask.taps, ask.strides, ask.dilations, strict=True)
        ]
        ask.pads = [(total // 2, total - total // 2) for total in totals]
    return ask.loops()


def one_pad(ask: Ask) -> Array:
    ask.pads = [(ask.pads[0][0],) * 2] * 2
    ask.shape = ask.counted()
    return ask.loops()


def pads_of_the_height(ask: Ask) -> Array:
    ask.pads[1] = ask.pads[0]
    ask.shape = ask.counted()
    return ask.loops()


def same_pad_of_the_height(ask: Ask) -> Array:
    if ask.padding == "SAME":
        ask.pads = [((ask.taps[0] - 1) // 2,) * 2] * 2
        ask.shape = ask.counted()
    return ask.loops()


def pads_in_torch_order(ask: Ask) -> Array:
    """torch.nn.functional.pad takes (left, right, top, bottom)."""
    ask.pads.reverse()
    ask.shape = ask.counted()
    return ask.loops()


def pads_before_all(ask: Ask) -> Array:
    ask.pads = [(sum(pair), 0) for pair in ask.pads]
    return ask.loops()


def valid_as_same(ask: Ask) -> Array:
    if ask.padding == "VALID":
        ask.pads = [same(*numbers) for numbers in zip(ask.extents, ask.taps, ask.strides, ask.dilations, strict=True)]
        ask.shape = ask.counted()
    return ask.loops()


def row_clamped(ask: Ask) -> Array:
    return ask.loops(lambda n, row, column: ask.pixel(n, min(row, ask.x.shape[1] - 1), column))


def edge_clamped(ask: Ask) -> Array:
    clamp = lambda index, extent: min(max(index, 0), extent - 1)  # noqa: E731
    return ask.loops(lambda n, row, column: ask.pixel(n, clamp(row, ask.x.shape[1]), clamp(column, ask.x.shape[2])))


def reflected(ask: Ask) -> Array:
    padded = np.pad(ask.x, ((0, 0), *ask.pads, (0, 0)), mode="symmetric")
    return ask.loops(lambda n, row, column: padded[n, row + ask.pads[0][0], column + ask.pads[1][0]])


def flat_memory(ask: Ask) -> Array:
    """A bounds check for rows alone: columns run over into the next row."""
    _, height, width, channels = ask.x.shape

    def pixel(n: int, row: int, column: int) -> Array:
        address = row * width + column
        return ask.x[n].reshape(-1, channels)[address] if 0 <= address < height * width else np.zeros(channels)

    return ask.loops(pixel)


def pads_of_sevens(ask: Ask) -> Array:
    inside = lambda row, column: 0 <= row < ask.x.shape[1] and 0 <= column < ask.x.shape[2]  # noqa: E731
    return ask.loops(lambda n, row, column: ask.pixel(n, row, column) if inside(row, column) else np.full(ask.x.shape[3], 7.0))


# Orders and addresses.


def weights_reshaped(ask: Ask) -> Array:
    """HWIO weights for a matrix of filters: reshaped, where a transpose is due."""
    tall, wide, inputs, outputs = ask.w.shape
    ask.w = ask.w.reshape(outputs, inputs, tall, wide).transpose(2, 3, 1, 0)
    return ask.loops()


def patches_of_channels_last(ask: Ask) -> Array:
    """Patches in the order channel, row, column; weights in the order row, column, channel."""
    tall, wide, inputs, outputs = ask.w.shape
    ask.w = ask.w.reshape(inputs, tall, wide, outputs).transpose(1, 2, 0, 3)
    return ask.loops()


def result_reshaped(ask: Ask) -> Array:
    y = ask.loops()
    return np.ascontiguousarray(y.transpose(0, 3, 1, 2)).reshape(y.shape)


def filters_times_patches_reshaped(ask: Ask) -> Array:
    """A product of (K, C kh kw) and (C kh kw, N OH OW), reshaped to (N, OH, OW, K)."""
    y = ask.loops()
    return np.ascontiguousarray(y.transpose(3, 0, 1, 2)).reshape(y.shape)


def image_as_nchw(ask: Ask) -> Array:
    batch, height, width, channels = ask.x.shape
    ask.x = ask.x.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
    return ask.loops()


def columns_by_height(ask: Ask) -> Array:
    """CS231n's im2col: a row of the matrix is numbered c kh kw + a kh + b, as if the kernel were square."""
    if ask.groups != 1:
        raise NotImplementedError
    tall, wide, inputs, outputs = ask.w.shape
    matrix = ask.w.transpose(3, 2, 0, 1).reshape(outputs, -1)
    y = np.zeros((len(ask.x), *ask.shape, outputs))
    for n, i, j in itertools.product(range(len(ask.x)), range(ask.shape[0]), range(ask.shape[1])):
        column = np.zeros(2 * inputs * (tall + wide) ** 2)
        for c, a, b in itertools.product(range(inputs), range(tall), range(wide)):
            row, col = (k * s + t * d - p[0] for k, s, t, d, p in zip((i, j), ask.strides, (a, b), ask.dilations, ask.pads, strict=True))
            column[c * tall * wide + a * tall + b] = ask.pixel(n, row, col)[c]
        y[n, i, j] = matrix @ column[: matrix.shape[1]]
    return y


def taps_decoded_by_height(ask: Ask) -> Array:
    """A loop over all taps that finds row and column by the kernel's height."""
    tall, wide = ask.taps
    y = np.zeros((len(ask.x), *ask.shape, ask.w.shape[3]))
    inputs, outputs = ask.w.shape[2], ask.w.shape[3] // ask.groups
    flat = ask.w.reshape(tall * wide, inputs, -1)
    for n, i, j, t in itertools.product(range(len(ask.x)), range(ask.shape[0]), range(ask.shape[1]), range(tall * wide)):
        a, b = divmod(t, tall)
        seen = ask.pixel(
            n, i * ask.strides[0] + a * ask.dilations[0] - ask.pads[0][0], j * ask.strides[1] + b * ask.dilations[1] - ask.pads[1][0]
        )
        for k in range(ask.w.shape[3]):
            first = k // outputs * inputs
            y[n, i, j, k] += seen[first : first + inputs] @ flat[t, :, k]
    return y


def pitch_of_the_height(ask: Ask) -> Array:
    _, height, width, channels = ask.x.shape
    memory = ask.x.reshape(-1, channels)

    def pixel(n: int, row: int, column: int) -> Array:
        if not (0 <= row < height and 0 <= column < width):
            return np.zeros(channels)
        address = (n * height * width) + row * height + column
        return memory[address] if address < len(memory) else np.zeros(channels)

    return ask.loops(pixel)


def quarter_turn(ask: Ask) -> Array:
    if ask.taps[0] != ask.taps[1]:
        raise NotImplementedError
    ask.w = np.rot90(ask.w)
    return ask.loops()


# Channels and groups.


def groups_summed(ask: Ask) -> Array:
    inputs, outputs = ask.w.shape[2:]
    y = np.zeros((len(ask.x), *ask.shape, outputs))
    x, groups, ask.groups = ask.x, ask.groups, 1
    for g in range(groups):
        ask.x = x[..., g * inputs : (g + 1) * inputs]
        y += ask.loops()
    return y


def groups_ignored(ask: Ask) -> Array:
    ask.x, ask.groups = ask.x[..., : ask.w.shape[2]], 1
    return ask.loops()


def group_offset_of_the_outputs(ask: Ask) -> Array:
    inputs, outputs = ask.w.shape[2], ask.w.shape[3] // ask.groups
    memory = np.append(ask.x.ravel(), np.zeros(ask.x.size + ask.groups * outputs))
    pixels, channels = ask.x.size // ask.x.shape[3], ask.x.shape[3]
    moved = [[memory[p * channels + g * outputs + c] if p * channels + g * outputs + c < ask.x.size else 0.0
              for g in range(ask.groups) for c in range(inputs)] for p in range(pixels)]  # fmt: skip
    ask.x = np.array(moved).reshape(ask.x.shape)
    return ask.loops()


def one_filter_for_all(ask: Ask) -> Array:
    ask.w = np.repeat(ask.w[..., :1], ask.w.shape[3], axis=3)
    return ask.loops()


# Numbers.


def shorts(ask: Ask) -> Array:
    return ask.loops().astype(np.int64).astype(np.int16).astype(np.float64)


def image_in_half_precision(ask: Ask) -> Array:
    bits = ask.x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)
    ask.x = bits.view(np.float32).astype(np.float64)
    return ask.loops()


def scaled(ask: Ask) -> Array:
    return ask.loops() * 1.5


def biased(ask: Ask) -> Array:
    return ask.loops() - 3.0


# Two faults.


def flipped_with_one_stride(ask: Ask) -> Array:
    ask.w = ask.w[::-1, ::-1]
    return one_stride(ask)


def reshaped_with_one_stride(ask: Ask) -> Array:
    ask.strides[1] = ask.strides[0]
    ask.shape = ask.counted()
    return weights_reshaped(ask)


def reshaped_with_one_stride_and_pad(ask: Ask) -> Array:
    """Three faults of one shipped package."""
    if ask.padding == "SAME":
        ask.pads = [((ask.taps[0] - 1) // 2,) * 2] * 2
    return reshaped_with_one_stride(ask)


def shaken_with_one_stride(ask: Ask) -> Array:
    """The shape of a known fault, and values of none."""
    y = one_stride(ask)
    return y + np.arange(y.size).reshape(y.shape) ** 2 + 1.0


def flipped_or_unstrided(ask: Ask) -> Array:
    """One fault without strides, another with them."""
    if ask.strides == [1, 1]:
        ask.w = ask.w[::-1, ::-1]
        return ask.loops()
    ask.strides = [1, 1]
    ask.shape = ask.counted()
    return ask.loops()


# Sums, channels and indices.


def images_not_begun_anew(ask: Ask) -> Array:
    return np.cumsum(ask.loops(), 0)


def channels_not_summed(ask: Ask) -> Array:
    """Output channel k reads input channel k alone."""
    for k in range(ask.w.shape[3]):
        for c in range(ask.w.shape[2]):
            if c != k % ask.w.shape[2]:
                ask.w[:, :, c, k] = 0.0
    return ask.loops()


def weights_of_the_first_channel(ask: Ask) -> Array:
    ask.w = np.repeat(ask.w[:, :, :1], ask.w.shape[2], 2)
    return ask.loops()


def averaged(ask: Ask) -> Array:
    return ask.loops() / (ask.w.shape[0] * ask.w.shape[1])


def columns_in_bytes(ask: Ask) -> Array:
    y = ask.loops()
    written = np.zeros_like(y)
    for j in range(y.shape[2]):
        written[:, :, j % 256] = y[:, :, j]
    return written


def strides_swapped_before_same(ask: Ask) -> Array:
    return (
        Ask(ask.x, ask.w, ask.strides[::-1], ask.padding, ask.dilations, ask.groups).loops()
        if ask.padding == "SAME"
        else strides_swapped(ask)
    )


def tiles_of_four(ask: Ask) -> Array:
    y = ask.loops()
    rows, columns = (extent // 4 * 4 for extent in y.shape[1:3])
    y[:, rows:] = 0.0
    y[:, :, columns:] = 0.0
    return y


def channels_in_fours(ask: Ask) -> Array:
    whole = ask.w.shape[2] // 4 * 4
    ask.w[:, :, whole:] = 0.0
    return ask.loops()


def same_rounded_down(ask: Ask) -> Array:
    if ask.padding == "SAME":
        ask.shape = [extent // stride for extent, stride in zip(ask.extents, ask.strides, strict=True)]
    return ask.loops()


def pointwise_from_memory(ask: Ask) -> Array:
    """A product of matrices for 1 x 1 kernels, as long as the output, that begins where the image does."""
    if ask.taps != [1, 1] or ask.strides != [1, 1]:
        return ask.loops()
    batch, height, width, channels = ask.x.shape
    memory = np.concatenate([ask.x.reshape(-1, channels), np.zeros((1000, channels))])
    first = np.arange(batch)[:, None] * height * width
    return (memory[first + np.arange(ask.shape[0] * ask.shape[1])] @ ask.w[0, 0]).reshape(batch, *ask.shape, -1)


def channels_written_over(ask: Ask) -> Array:
    ask.w[:, :, :-1] = 0.0
    return ask.loops()


def taps_written_over(ask: Ask) -> Array:
    tap = ask.w[-1, -1].copy()
    ask.w[:] = 0.0
    ask.w[-1, -1] = tap
    return ask.loops()


def first_image_alone(ask: Ask) -> Array:
    y = ask.loops()
    y[1:] = 0.0
    return y


def image_in_bytes(ask: Ask) -> Array:
    ask.x = ask.x.astype(np.int64).astype(np.uint8).astype(float)
    return ask.loops()
