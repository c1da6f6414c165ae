"""JSON Schemas from strangers, bounded before llama-server compiles them into a grammar.

Deep nesting and the keyword `pattern` have crashed it (llama.cpp #26600, #25308): the first is refused, the
second is left out, which only makes the grammar accept more.
"""

from typing import Any

from services.gateway.domain.checks import object_at
from services.gateway.domain.errors import InvalidRequest

SCHEMA_DEPTH_MAX = 24
SCHEMA_NODES_MAX = 4096
"""Objects and lists of one schema; each becomes at least one grammar rule."""
NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
"""Keywords whose members are schemas by name, so that a property may be called 'pattern'."""
LEFT_OUT = frozenset({"pattern", "patternProperties"})


class SchemaCopy:
    """One schema, copied within its bounds; `left_out` says which keywords were."""

    def __init__(self, field: str, schema: Any) -> None:
        self._field = field
        self._nodes = 0
        self.left_out: set[str] = set()
        self.schema = self._copy(object_at(field, schema), 0)

    def _copy(self, node: Any, depth: int) -> Any:
        if not isinstance(node, dict | list):
            return node
        self._count(depth)
        if isinstance(node, list):
            return [self._copy(item, depth + 1) for item in node]
        return {name: self._member(name, value, depth) for name, value in node.items() if self._keeps(name)}

    def _member(self, name: str, value: Any, depth: int) -> Any:
        if name == "$ref" and not (isinstance(value, str) and value.startswith("#")):
            raise InvalidRequest(f"'{self._field}': a '$ref' must begin with '#'.", param=self._field)
        if name in NAMED_SCHEMAS and isinstance(value, dict):
            self._count(depth + 1)
            return {key: self._copy(schema, depth + 2) for key, schema in value.items()}
        return self._copy(value, depth + 1)

    def _keeps(self, name: str) -> bool:
        if name in LEFT_OUT:
            self.left_out.add(f"{self._field}.{name}")
        return name not in LEFT_OUT

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if depth > SCHEMA_DEPTH_MAX or self._nodes > SCHEMA_NODES_MAX:
            message = (
                f"'{self._field}' is too large: at most {SCHEMA_DEPTH_MAX} levels, {SCHEMA_NODES_MAX} nodes."
            )
            raise InvalidRequest(message, param=self._field)
