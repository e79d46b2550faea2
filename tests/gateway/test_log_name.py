"""The name of the log: its own from the start, and the same ever after."""

from pathlib import Path

import pytest

from gateway.app import create_deployment, demand_workable, open_gateway, renew_log_key
from gateway.backup import settle
from gateway.context import Gateway
from gateway.messages import MendableError
from gateway.oversight import policy_text
from gateway.settings import Home, Settings, database_url

from .conftest import World


def made(folder: Path, **settings: str) -> Gateway:
    return create_deployment(Home(folder, database_url(folder / "gateway.sqlite")), Settings(**settings))


def wants(world: World, name: str) -> None:
    """Its operator writes a name in the settings."""
    file = world.gateway.home.settings_file
    file.write_text(file.read_text().replace('log_name = ""', f'log_name = "{name}"'))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"base_url": "https://Poort.example:8443"}, "poort.example/audit"),
        ({"base_url": "http://[::1]:8000"}, "--1/audit"),
        ({"base_url": "https://poort.example", "log_name": "trial.example/log"}, "trial.example/log"),
    ],
)
def test_a_deployment_names_its_log_after_itself(tmp_path: Path, settings: dict[str, str], name: str) -> None:
    """By its host, unless the settings say otherwise: two deployments are two logs to a witness."""
    gateway = made(tmp_path / "data", **settings)
    assert gateway.settings.log_name == name
    assert gateway.receipts.key.name == f"{name}/receipts"
    gateway.database.dispose()


def test_another_address_leaves_the_name(tmp_path: Path) -> None:
    """Receipts handed out before are signed under it."""
    before = made(tmp_path / "data", base_url="https://old.example")
    file = before.home.settings_file
    file.write_text(file.read_text().replace("old.example", "new.example"))
    after = made(tmp_path / "data")
    assert after.settings.base_url == "https://new.example"
    assert after.receipts.key == before.receipts.key
    for gateway in (before, after):
        gateway.database.dispose()


def test_another_name_is_refused(world: World) -> None:
    """It would make every receipt of before void, in silence; the refusal says the name."""
    wants(world, "poort.example/audit")
    with pytest.raises(MendableError, match=r"127\.0\.0\.1/audit"):
        open_gateway(world.gateway.home)


def test_a_deployment_of_when_no_file_kept_the_name_keeps_it_too(world: World) -> None:
    """Its log tells: neither servers nor worker start under another, and nothing begins a log of that name."""
    world.sequence()
    (world.gateway.home.keys / "log.name").unlink()
    wants(world, "poort.example/audit")
    renamed = World(open_gateway(world.gateway.home), world.region)
    told = policy_text(world.gateway)
    for act in (demand_workable, settle, lambda _: renew_log_key(renamed.desk)):
        with pytest.raises(MendableError, match=r"127\.0\.0\.1/audit"):
            act(renamed.gateway)
    assert policy_text(world.gateway) == told
    renamed.gateway.database.dispose()


def test_a_deployment_of_before_is_called_as_it_was(world: World) -> None:
    """A folder without the file, whose settings name nothing, has the name that all had."""
    (world.gateway.home.keys / "log.name").unlink()
    for _ in range(2):
        again = create_deployment(world.gateway.home, Settings())
        assert again.settings.log_name == "verzuimpoort.example/audit"
        again.database.dispose()
