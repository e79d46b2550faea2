"""Worker processes that evaluate: the library holds the interpreter lock, so a thread would stop every other request.

A worker gets the seed with each batch and keeps nothing. It imports this file and the wrapper, not the whole service.
"""

import multiprocessing
import os
import signal
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Thread


def worker_pool(workers: int = 1) -> Executor:
    """A pool of fresh processes, each of which ends when the service ends, however it ends.

    Args:
        workers: one for each core the service may use.
    """
    return ProcessPoolExecutor(workers, mp_context=_Deaf(), initializer=_end_with_parent)


class _Worker(SpawnProcess):
    """Ctrl-C in a terminal is heard by every process there; a worker leaves it to the service to stop it in order.

    The signal is held back from before its first instruction, for a traceback can be printed while it still imports.
    """

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Deaf(SpawnContext):
    """Makes workers."""

    Process = _Worker


def _end_with_parent() -> None:
    """A killed service cannot stop its workers: they would wait for work, with a seed in memory, for ever."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()
