"""Worker processes that evaluate: the library holds the interpreter lock, so a thread would stop every other request.

A worker gets the seed with each batch and keeps nothing. It imports this file and the wrapper, not the whole service.
"""

import multiprocessing
import os
from concurrent.futures import Executor, ProcessPoolExecutor
from threading import Thread


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
