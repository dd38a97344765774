r"""Reading anybody's data: arrays, tables, folders of images, by one function.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
...     _ = file.write("width,length,kind\n1.5,3,b\n2.5,4,a\n")
...     file.flush()
...     raw = read(file.name, labels="kind")
>>> raw.values.shape, raw.columns, raw.labels, raw.classes
((2, 2), ('width', 'length'), array([1, 0]), ('a', 'b'))
"""

from sparsevae.data.files.raw import Raw
from sparsevae.data.files.reading import read

__all__ = ["Raw", "read"]
