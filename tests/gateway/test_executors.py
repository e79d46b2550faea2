"""Where a table is protected does not change a byte of it: alone, in other processes, on a cluster of Dask workers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlmodel import select

from gateway.context import operator_of
from gateway.deliveries import confirm
from gateway.demo.people import IN_FORCE, must
from gateway.executors import executor_of
from gateway.identity import add_person
from gateway.jobs import run_one
from gateway.publish.asking import request_build
from gateway.receive import Received, Upload, receive
from gateway.settings import Settings
from gateway.store import Release, ReleaseSlice, ReleaseState
from gateway.working import WORK
from tests.disclosure.world import at_random

from .conftest import PERIOD, TABLE, World, build_world


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of two workers with a thread each, processes of their own, without a dashboard."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        host="127.0.0.1",
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        worker_dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("dask")),
        silence_logs="ERROR",
    )
    with cluster:
        yield str(cluster.scheduler_address)


@pytest.fixture
def others(scheduler: str) -> list[Settings]:
    """Settings under which others do the work: two processes, the cluster."""
    return [Settings(processes=2), Settings(cluster=scheduler)]


def test_pattern_does_not_depend_on_where_it_is_searched(others: list[Settings]) -> None:
    """Frame, certificate and witnesses are the same, byte for byte."""
    table = at_random(3)
    alone = table.build()
    for settings in others:
        with executor_of(settings) as executor:
            together = table.build(executor=executor)
        assert alone.protected.frame.to_csv() == together.protected.frame.to_csv()
        assert alone.protected.certificate == together.protected.certificate
        for name in ("number", "unit", "leaf", "by", "insider"):
            assert getattr(alone.witnesses, name).tobytes() == getattr(together.witnesses, name).tobytes()


def test_work_on_a_cluster_is_done_by_its_workers(scheduler: str) -> None:
    """The tasks run in other processes than this one."""
    with executor_of(Settings(cluster=scheduler)) as executor:
        assert executor is not None
        assert os.getpid() not in set(executor.map(_process, range(8)))


def _process(_: int) -> int:
    return os.getpid()


def test_release_is_the_same_bytes_from_a_cluster(scheduler: str, tmp_path: Path) -> None:
    """Two deployments with the same deliveries and seed, one with a cluster in its settings: equal slices."""
    alone, helped = (
        _released(tmp_path / name, settings)
        for name, settings in (
            ("alone", Settings(in_force=IN_FORCE)),
            ("helped", Settings(in_force=IN_FORCE, cluster=scheduler)),
        )
    )
    assert alone == helped
    assert len(alone) > 10


def _released(folder: Path, settings: Settings) -> list[bytes]:
    """The slices of a release built by a worker of a deployment with these settings."""
    world = build_world(folder, settings=settings)
    try:
        for index in range(len(world.region.sites)):
            upload = Upload(TABLE, world.region.sites[index].code, PERIOD, world.counts(index))
            received = must(receive(world.gateway, world.site(index), upload))
            assert isinstance(received, Received)
            must(confirm(world.gateway, world.site(index), received.submission.id))
        must(world.desk.close_period(TABLE, PERIOD))
        return _built(world)
    finally:
        world.gateway.database.dispose()


def _built(world: World) -> list[bytes]:
    gateway = world.gateway
    with gateway.writing() as session:
        builder = add_person(session, gateway.settings.operator, "operator", "bouwer").id
    release = must(request_build(gateway, operator_of(gateway, builder), TABLE, PERIOD)).id
    with gateway.writing() as session:
        session.get_one(Release, release).seed = bytes(32)
    while run_one(gateway, WORK):
        pass
    with gateway.reading() as session:
        assert session.get_one(Release, release).state == ReleaseState.BUILT
        parts = select(ReleaseSlice).where(ReleaseSlice.release_id == release)
        found = session.exec(parts.order_by(ReleaseSlice.level, ReleaseSlice.area, ReleaseSlice.sector))
        return [part.rows for part in found]


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "tcp://dask.example:8786", "http://127.0.0.1:8786"])
def test_confidential_counts_leave_this_machine_under_tls_only(address: str) -> None:
    """A scheduler elsewhere is reached over TLS, or the settings are refused."""
    with pytest.raises(ValidationError):
        Settings(cluster=address)
    assert Settings(cluster="tls://dask.example:8786").cluster
