"""Where the regions of a large table are searched: in the worker itself, in processes beside it, or on a Dask cluster.

The bytes of a release are the same for all three: `disclosure` gets a `concurrent.futures.Executor` and nothing else.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from gateway.messages import MendableError
from gateway.settings import Settings

# Other versions of these could hide other cells: then two runs of one seed would differ.
_SAME = ["highspy", "numpy", "pandas", "scipy"]


@contextmanager
def executor_of(settings: Settings) -> Iterator[Executor | None]:
    """The executor that the settings name, for as long as the block runs; None: the caller does it alone.

    Raises:
        MendableError: the extra `cluster` is not installed.
        OSError: no scheduler answers; a job is tried again later.
        ValueError: a worker of the cluster has other versions.
    """
    if settings.cluster:
        with _cluster(settings.cluster) as executor:
            yield executor
    elif settings.processes > 1:
        # A fork of a process with threads may hang, so new interpreters are started.
        with ProcessPoolExecutor(settings.processes, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        yield None


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client  # noqa: PLC0415  an optional extra
    except ImportError as error:
        raise MendableError("no-cluster") from error
    client: Any = Client(address, set_as_default=False)  # type: ignore[no-untyped-call]  # says nothing of its types
    with client:
        client.get_versions(check=True, packages=_SAME)
        # Confidential counts: a task is not recognised by its content, and its result goes when it was fetched.
        with client.get_executor(pure=False) as executor:
            yield executor
