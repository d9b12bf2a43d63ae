"""Batches through an encoder: the next one is on its way while one is computed, and their size is
found by how fast they come back."""

import itertools

import numpy as np
import pytest

from radcbir.core.errors import InputError
from radcbir.embedding.batches import LARGEST, MEASURED, BatchSize, encoded
from radcbir.encoders import OutOfMemory


class Device:
    """An encoder that works on batches after they have been handed over, as a GPU does: each takes
    a constant time and a time for each image, on a clock of its own."""

    dimension = 1

    def __init__(self, room=10**6, constant=0.0, each=0.0, crowd=False):
        self.room, self.constant, self.each, self.crowd = room, constant, each, crowd
        self.time, self.order, self.under_way = 0.0, [], 0

    def begin(self, inputs):
        if len(inputs) > self.room or (self.crowd and self.under_way):
            raise OutOfMemory(f"{len(inputs)} images do not fit into the GPU's memory")
        self.under_way += 1
        self.order.append(("begin", len(inputs)))

        def wait():
            self.under_way -= 1
            self.time += self.constant + self.each * len(inputs)
            self.order.append(("end", len(inputs)))
            return np.stack(inputs)

        return wait

    def clock(self):
        return self.time


def through(device, count, size):
    """The names and the numbers of the vectors of ``count`` images whose pixels are their
    numbers."""
    images = ((f"i{n}", np.array([float(n)])) for n in range(count))
    found = list(encoded(images, device, size))
    names = list(itertools.chain.from_iterable(names for names, _ in found))
    return names, np.concatenate([vectors[:, 0] for _, vectors in found]).tolist()


def names(count):
    return [f"i{n}" for n in range(count)]


def test_a_batch_begins_before_the_one_before_it_is_waited_for():
    device = Device()
    assert through(device, 7, BatchSize(2)) == (names(7), list(range(7)))
    assert device.order == [
        ("begin", 2), ("begin", 2), ("end", 2), ("begin", 2), ("end", 2), ("begin", 1), ("end", 2),
        ("end", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("constant", "each", "wanted"),
    [
        (1.0, 0.0, LARGEST),  # twice as many for the same time, always
        (0.0, 1.0, 8),  # the same number of images per second, whatever the batch
        (64.0, 1.0, 1024),  # 512 -> 1024: 512/576 -> 1024/1088, 1.06 times as fast
        (16.0, 1.0, 512),  # 256 -> 512: 1.03; 512 -> 1024: 1.016
    ],
)
def test_the_size_is_doubled_while_that_is_faster(constant, each, wanted):
    device = Device(constant=constant, each=each)
    size = BatchSize(8, grows=True, clock=device.clock)
    count = 4 * MEASURED * LARGEST
    assert through(device, count, size) == (names(count), list(range(count)))
    assert size.now == wanted
    assert not size.grows


def test_a_size_that_does_not_fit_is_given_up_for_good():
    device = Device(room=100, constant=1.0)
    size = BatchSize(8, grows=True, clock=device.clock)
    assert through(device, 3000, size) == (names(3000), list(range(3000)))
    assert size.now == 64
    assert max(images for _, images in device.order) == 64


def test_memory_is_tried_again_when_the_batch_before_is_done():
    """What does not fit beside another batch goes alone, of half the size, and nothing is lost."""
    device = Device(crowd=True)
    assert through(device, 9, BatchSize(4)) == (names(9), list(range(9)))


def test_a_size_stays_where_it_may_not_grow():
    device = Device(constant=1.0)
    size = BatchSize(8, clock=device.clock)
    through(device, 400, size)
    assert {images for _, images in device.order} == {8}


def test_one_image_that_does_not_fit_is_an_error():
    with pytest.raises(InputError, match="1 images do not fit .*, not even one: run this model"):
        through(Device(room=0), 3, BatchSize(2))
