"""Contenders: who takes part in a comparison, each with a host of its own that stands still while it is another's turn.

TensorFlow takes part twice: with arrays converted to tensors at each call and the result converted back, as someone calls it who has
arrays, and with tensors ready, as someone does who has nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from convverify.campaign.condition import condition_of
from convverify.campaign.referring import TIMEOUT
from convverify.compare.conditions import environment
from convverify.compare.options import CompareOptions
from convverify.host.process import Host, Place
from convverify.host.standing import Tree
from convverify.judging.kernel import Kernel, kernel_of
from convverify.targets import Located, locate

TENSORFLOW = "tensorflow"
READY = "tensorflow ready"
_FRUGAL = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16), "MALLOC_TRIM_THRESHOLD_": str(1 << 16)}  # what is freed goes back to the system


class Contender:
    """A kernel in a host.

    `patience` is how many seconds one call may take.  Who is timed is called where users call it, in a process of its own: in a forked one,
    the threads of OpenMP and Numba do not run.  Who is weighed is forked, so that it has never been called.
    """

    def __init__(
        self, located: Located, threads: int, patience: float, *, is_reference: bool = False, is_weighed: bool = False,
    ) -> None:  # fmt: skip
        self.located, self.name = located, located.name
        self.patience, self.is_reference = patience, is_reference
        variables: Mapping[str, str] = environment(threads) | (_FRUGAL if is_weighed else {})
        self.host = Host(located.place, environment=variables, forks=is_weighed)
        self._kernel: Kernel | None = None
        self._tree: Tree | None = None
        self._running = False

    @property
    def is_variant(self) -> bool:
        """Whether this is another way of calling a kernel that takes part already."""
        return self.name == READY

    @property
    def kernel(self) -> Kernel:
        """The kernel, which is loaded."""
        assert self._kernel is not None
        return self._kernel

    @property
    def tree(self) -> Tree:
        """The host's processes."""
        if self._tree is None or self._tree.root != self.host.root:
            self._tree = Tree(self.host.root)
        return self._tree

    @property
    def forks(self) -> bool:
        """Whether a fresh kernel costs a fork, not a start."""
        return bool(self.host.described.get("forks"))

    @property
    def is_shipped(self) -> bool:
        """Whether it is a framework that ships as a reference."""
        return self.located.place.prepare is not None

    def start(self) -> None:
        """Begin to load the kernel."""
        self.host.start()

    def load(self) -> None:
        """Wait until the kernel is loaded, and let it stand still.  Raises CannotLoad, TypeError or ValueError, in one sentence."""
        self.host.ready(float("inf"))
        located = self.located
        try:
            self._kernel = kernel_of(
                self.host.described, located.name, data_format=located.data_format, accuracy=located.accuracy, domain=located.domain,
                where=condition_of(self.host, TIMEOUT),
            )  # fmt: skip
        except (TypeError, ValueError) as error:
            raise type(error)(f"target {located.name!r}: {error}") from None
        self.tree.halt()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let the host go on, in this context."""
        if self._running:
            yield
            return
        if self.host.root:
            self.tree.go_on()
        self._running = True
        try:
            yield
        finally:
            self._running = False
            if self.host.root:
                self.tree.halt()

    def fresh(self) -> None:
        """See to it that the kernel has never been called."""
        with self.going_on():
            self.host.fresh()

    def close(self) -> None:
        """End the host, and give its memory back."""
        if self.host.root:
            self.tree.go_on()
            self.host.close()
        mapping = self.host.mapping
        mapping.release(mapping.slot(0)[0], mapping.slot(1)[1])


def contenders_of(options: CompareOptions, patience: float) -> tuple[Contender, ...]:
    """Return who takes part, the reference first; nothing is loaded yet.

    Raises TargetError, in one sentence, for a target that cannot be loaded.
    """
    found: list[Contender] = []
    for target in dict.fromkeys((options.against, *options.kernels)):
        is_reference = target == options.against
        located = locate(target, sandbox=options.sandbox and not is_reference)
        places = {target: located}
        if target == TENSORFLOW:
            module, prepare = located.place.place, located.place.prepare
            places = {
                TENSORFLOW: Located(TENSORFLOW, Place(module, "on_arrays", prepare)),
                READY: Located(READY, Place(module, "on_tensors", prepare, (module, "tensor"))),
            }
        found += [Contender(place, options.thread_count, patience, is_reference=is_reference) for place in places.values()]
    return tuple(found)
