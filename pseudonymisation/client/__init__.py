"""What a school runs: an export of its own system becomes a document of pseudonyms, and no number leaves the building.

Needs the base install only, on Windows too.
"""

from pseudonymisation.client.bands import Band
from pseudonymisation.client.cache import open_cache
from pseudonymisation.client.changes import change_numbers
from pseudonymisation.client.delivery import pseudonymise
from pseudonymisation.client.lookup import Delivery
from pseudonymisation.client.mapping import ColumnMap, read_map
from pseudonymisation.client.messages import Fault, Refusal
from pseudonymisation.client.source import OfflineSource, ServiceSource, pinned_key, unsafe_local_source

__all__ = [
    "Band",
    "ColumnMap",
    "Delivery",
    "Fault",
    "OfflineSource",
    "Refusal",
    "ServiceSource",
    "change_numbers",
    "open_cache",
    "pinned_key",
    "pseudonymise",
    "read_map",
    "unsafe_local_source",
]
