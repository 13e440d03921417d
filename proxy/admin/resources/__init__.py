"""The resources of the admin API, one module for what belongs together."""

from ..operations import Operation, Operations
from . import (
    account,
    backups,
    channels,
    credits,
    exports,
    installation,
    logins,
    models,
    money,
    moving,
    options,
    people,
    records,
    reveal,
    signing_up,
    tail,
    tokens,
    trials,
    usage,
)

OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for resource in (
        account.operations, signing_up.operations, logins.operations,
         channels.operations, reveal.operations, trials.operations,
        models.operations, models.route_operations, tokens.operations, people.operations,
        credits.operations, people.group_operations, money.code_operations, money.price_operations,
        money.limit_operations, records.log_operations, tail.operations, exports.operations,
        usage.operations, records.audit_operations, installation.event_operations,
        installation.operations, options.operations, moving.operations, backups.operations,
    )
    for operation in resource.all
)  # fmt: skip
"""Everything the admin API can do."""

__all__ = ["OPERATIONS", "Operations"]
