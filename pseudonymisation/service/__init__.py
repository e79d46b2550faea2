"""The pseudonym service: evaluates blinded elements for registered sites, within their quota, and sees no number.

Runs apart from the gateway, with its own keys, database and audit log, at another operator in production.
"""

from pseudonymisation.service.app import create_service
from pseudonymisation.service.keys import EVALUATION, open_year, service_document
from pseudonymisation.service.quota import GrantReason, base_quota
from pseudonymisation.service.register import (
    Credential,
    RegisteredSite,
    RegisterFile,
    credential_hash,
    export_register,
    load_register,
)
from pseudonymisation.service.store import close_year, grant_quota, open_store, reading, register_serial, use_up
from pseudonymisation.workers import worker_pool

__all__ = [
    "EVALUATION",
    "Credential",
    "GrantReason",
    "RegisterFile",
    "RegisteredSite",
    "base_quota",
    "close_year",
    "create_service",
    "credential_hash",
    "export_register",
    "grant_quota",
    "load_register",
    "open_store",
    "open_year",
    "reading",
    "register_serial",
    "service_document",
    "use_up",
    "worker_pool",
]
