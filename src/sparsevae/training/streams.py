"""The order of an epoch, and rows that are read from disk once an epoch in that order.

Rows that fit into memory are drawn in any order. Larger ones are read in blocks of rows that lie
next to each other: blocks are shuffled, a window of them is held, and the rows in it are shuffled.
The order follows from torch's generator alone, wherever the rows lie.

Shape legend: N rows, B rows in a batch, R rows in a block.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sparsevae.data.scaling import Scaling
from sparsevae.storage.arrays import Floats, Rows

RESIDENT = 2**30  # bytes of scaled rows that are held; more are read in windows
WINDOW = 2**26  # bytes of scaled rows in a window


@dataclass(frozen=True)
class Order:
    """In what order an epoch takes its rows.

    Attributes:
        rows: a permutation of 0 … N − 1, shape ``(N,)``.
        block: R; every block but the one at the end of the data has so many rows.
        windows: the blocks of each window, ascending.
    """

    rows: Tensor
    block: int
    windows: tuple[npt.NDArray[np.int64], ...]


def drawn_order(count: int, numbers: int, batch: int, device: torch.device) -> Order:
    """The order that torch's generator gives now.

    Args:
        count: N.
        numbers: in a row.
        batch: B, which is R too, so that no batch needs two windows.
        device: of the generator and of the result.
    """
    held = max(1, WINDOW // (4 * numbers * batch))
    blocks = -(-count // batch)
    if 4 * numbers * count <= RESIDENT or blocks <= held:
        everything = torch.randperm(count, device=device)
        return Order(everything, batch, (np.arange(blocks),))
    shuffled = torch.randperm(count // batch, device=device)  # the full ones
    windows, parts = [], []
    for chosen in shuffled.split(held):
        windows.append(np.sort(chosen.cpu().numpy()))
    if count % batch:
        windows[-1] = np.append(windows[-1], blocks - 1)
    for window in windows:
        starts = torch.from_numpy(window * batch).to(device)
        places = (starts[:, None] + torch.arange(batch, device=device)).flatten()
        places = places[places < count]
        parts.append(places[torch.randperm(len(places), device=device)])
    return Order(torch.cat(parts), batch, tuple(windows))


class StreamedRows:
    """Raw rows that are read and scaled as an epoch takes them; what is on disk stays there.

    One window of scaled rows is held. Rows that lie in no order that was begun are read alone.

    Args:
        values: N rows, shape ``(N, *shape)``, in files, or a selection of such rows.
        scaling: brings them to where a model takes them.
    """

    device = torch.device("cpu")

    def __init__(self, values: Rows, scaling: Scaling) -> None:
        self.values, self.scaling = values, scaling
        self._order: Order | None = None
        self._window_of: npt.NDArray[np.int64] = np.empty(0, np.int64)  # by block
        self._place_of: npt.NDArray[np.int64] = np.empty(0, np.int64)  # of a block in its window
        self._current, self._held = -1, np.empty(0, np.float32)
        self._share: Callable[[Tensor], Tensor] | None = None
        self._own: npt.NDArray[np.int64] = np.empty(0, np.int64)  # rows of shares in the window

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, *shape)``."""
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def begin(self, order: Order, share: Callable[[Tensor], Tensor] | None = None) -> None:
        """Rows will be taken in this order, batch by batch.

        Args:
            order: of the whole epoch.
            share: what this process takes of a batch, so that no other rows are read; all when
                None.
        """
        self._order, self._share, self._current = order, share, -1
        total = sum(map(len, order.windows))
        self._window_of, self._place_of = np.empty(total, np.int64), np.empty(total, np.int64)
        for number, window in enumerate(order.windows):
            self._window_of[window] = number
            self._place_of[window] = np.arange(len(window)) * order.block

    def index_select(self, axis: Literal[0], chosen: Tensor) -> Tensor:
        """Rows with these indices, scaled, float32, shape ``(B, *shape)``."""
        places = chosen.numpy()
        if self._order is None or len(self._order.windows) == 1:
            return self._alone(places)
        blocks, inside = np.divmod(places, self._order.block)
        windows = self._window_of[blocks]
        if (windows != windows[0]).any():
            return self._alone(places)
        if windows[0] != self._current:
            read = self._read if self._share is None else self._read_share
            read(int(windows[0]), self._order)
        if self._share is None:
            return torch.from_numpy(self._held[self._place_of[blocks] + inside])
        at = np.searchsorted(self._own, places).clip(max=len(self._own) - 1)
        if (self._own[at] != places).any():
            return self._alone(places)
        return torch.from_numpy(self._held[at])

    def _alone(self, places: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self.scaling.apply(self.values[places]))

    def _read_share(self, window: int, order: Order) -> None:
        """Take a window's rows of this process's shares into memory, in the order of the file."""
        assert self._share is not None  # the caller's condition
        start = sum(map(self._rows_in, order.windows[:window]))
        rows = order.rows[start : start + self._rows_in(order.windows[window])]
        shares = [self._share(batch) for batch in rows.split(order.block)]
        self._own = np.sort(torch.cat(shares).cpu().numpy())
        self._held, self._current = self.scaling.apply(self.values[self._own]), window

    def _rows_in(self, window: npt.NDArray[np.int64]) -> int:
        assert self._order is not None  # the caller's condition
        block = self._order.block
        return len(window) * block - max(0, (int(window[-1]) + 1) * block - len(self))

    def _read(self, window: int, order: Order) -> None:
        """Take the blocks of a window into memory, each with one read."""
        chosen, block = order.windows[window], order.block
        if not len(self._held) or self._current < 0:
            most = max(map(len, order.windows)) * block
            self._held = np.empty((most, *self.shape[1:]), np.float32)
        for place, number in zip(self._place_of[chosen].tolist(), chosen.tolist(), strict=True):
            rows: Floats = self.scaling.apply(self.values[number * block : (number + 1) * block])
            self._held[place : place + len(rows)] = rows
        self._current = window
