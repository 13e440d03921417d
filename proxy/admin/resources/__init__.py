"""The resources of the admin API, one module for what belongs together."""

from ..operations import Operation, Operations
from . import account, channels, money, people, records, tokens

OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for resource in (
        account.operations, channels.operations, tokens.operations, people.operations,
        people.group_operations, money.code_operations, money.price_operations, money.limit_operations,
        records.log_operations, records.usage_operations, records.audit_operations,
    )
    for operation in resource.all
)  # fmt: skip
"""Everything the admin API can do."""

__all__ = ["OPERATIONS", "Operations"]
