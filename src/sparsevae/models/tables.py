"""Tables of what configurations call by name; more rows may be registered from outside."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from sparsevae.errors import ConfigurationError

R = TypeVar("R")


class Table(dict[str, R], Generic[R]):
    """Rows by name.

    Args:
        kind: what a row is, for messages, such as "model".
        rows: those of the package, which cannot be replaced.
        door: the public function that adds a row.
    """

    def __init__(self, kind: str, rows: Mapping[str, R], door: str) -> None:
        super().__init__(rows)
        self.kind, self.door, self.own = kind, door, frozenset(rows)

    def row(self, name: str) -> R:
        """The row of that name.

        Raises:
            ConfigurationError: there is none.
        """
        if name not in self:
            raise ConfigurationError(
                f"There is no {self.kind} {name!r}; choose from {', '.join(self)}, or add one "
                f"with {self.door}."
            )
        return self[name]

    def known(self, name: str) -> str:
        """The name itself, for pydantic's validators; raises as :meth:`row`."""
        self.row(name)
        return name

    def register(self, name: str, row: R) -> None:
        """Add a row; the same name again replaces it, as when a notebook's cell runs again.

        Raises:
            ConfigurationError: the name is one of the package's own rows.
        """
        if name in self.own:
            raise ConfigurationError(
                f"The package has a {self.kind} {name!r} of its own; choose another name."
            )
        self[name] = row
