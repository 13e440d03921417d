"""The resources of the admin API, one module for what belongs together."""

from ..operations import Operation, Operations
from . import account, channels, installation, models, money, people, records, tokens, trials

OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for resource in (
        account.operations, channels.operations, trials.operations, models.operations,
        models.route_operations, tokens.operations, people.operations, people.group_operations,
        money.code_operations, money.price_operations, money.limit_operations, records.log_operations,
        records.usage_operations, records.audit_operations,
        installation.event_operations, installation.operations,
    )
    for operation in resource.all
)  # fmt: skip
"""Everything the admin API can do."""

__all__ = ["OPERATIONS", "Operations"]
