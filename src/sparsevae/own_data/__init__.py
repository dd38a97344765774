"""Models of anybody's data: from raw rows to a run folder, and from a run back to raw rows."""

from sparsevae.own_data.coding import OpenRun
from sparsevae.own_data.preparing import Prepared, prepare
from sparsevae.own_data.storing import read_codes, write_codes, write_rows

__all__ = ["OpenRun", "Prepared", "prepare", "read_codes", "write_codes", "write_rows"]
