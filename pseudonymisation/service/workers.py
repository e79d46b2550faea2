"""Worker processes that evaluate: the library holds the interpreter lock, so a thread would stop every other request.

A worker gets the seed with each batch and keeps nothing.
"""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from threading import Thread

from pseudonymisation.errors import MalformedError
from pseudonymisation.oprf import evaluate, is_element


def worker_pool(workers: int = 1) -> Executor:
    """A pool of fresh processes, each of which ends when the service ends, however it ends.

    Args:
        workers: one for each core the service may use.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A killed service cannot stop its workers: they would wait for work, with a seed in memory, for ever."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()


def evaluate_or_index(seed: bytes, info: bytes, elements: Sequence[bytes]) -> bytes | int:
    """Proof and evaluated elements; or the index of the first that is no element of the group."""
    try:
        return evaluate(seed, info, elements)
    except MalformedError:
        return next(index for index, element in enumerate(elements) if not is_element(element))
