"""What a school runs: an export of its own system becomes a document of pseudonyms, and no number leaves the building.

Needs the base install only, on Windows too.
"""

from pseudonymisation.client.bands import Band
from pseudonymisation.client.cache import open_cache
from pseudonymisation.client.changes import change_numbers
from pseudonymisation.client.delivery import pseudonymise
from pseudonymisation.client.lookup import Delivery
from pseudonymisation.client.mapping import CHANGE_FIELDS, FIELDS, ColumnMap, known_headings, read_map
from pseudonymisation.client.messages import Fault, Refusal
from pseudonymisation.client.source import OfflineSource, ServiceSource, pinned_key, unsafe_local_source

__all__ = [
    "CHANGE_FIELDS",
    "FIELDS",
    "Band",
    "ColumnMap",
    "Delivery",
    "Fault",
    "OfflineSource",
    "Refusal",
    "ServiceSource",
    "change_numbers",
    "known_headings",
    "open_cache",
    "pinned_key",
    "pseudonymise",
    "read_map",
    "unsafe_local_source",
]
