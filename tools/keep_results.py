"""Keep what a study amounts to in the repository: a few small files in place of its run folders.

    python tools/keep_results.py STUDY results/NAME

Beside the tables and verdicts that lie there, it writes ``runs.jsonl.xz``, from which
``sparsevae study ... --reuse results`` takes runs over. STUDY may be the folder itself; then its
run folders and figures are removed. Of a reproduction, which has several studies, it keeps the
table and the figure.
"""

import shutil
import sys
from pathlib import Path

from sparsevae.studies.reuse import ARCHIVE, write_archive

KEPT = (
    *("study.yaml", "results.csv", "stability.json", "verdicts.json", "baselines.json"),
    *("table.md", "table.json", "correlation.png", ARCHIVE),
)


def main():
    study, place = (Path(argument) for argument in sys.argv[1:])
    write_archive(study)
    place.mkdir(parents=True, exist_ok=True)
    if study.resolve() != place.resolve():
        for name in KEPT:
            if (study / name).is_file():
                shutil.copy2(study / name, place / name)
        return
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in KEPT:
            path.unlink()


if __name__ == "__main__":
    main()
