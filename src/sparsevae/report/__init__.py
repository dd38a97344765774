"""Tables, figures and one page from the folders of runs and studies.

Nothing here trains or measures, and no data set is read, so that a page or a picture can be
made again from the folders alone. What claims are worth is read from ``verdicts.json``.
"""

from sparsevae.report.drawing import draw, traverse
from sparsevae.report.page import write_comparison, write_report
from sparsevae.report.study import Run, Study

__all__ = ["Run", "Study", "draw", "traverse", "write_comparison", "write_report"]
