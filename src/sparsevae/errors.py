"""Everything a user can do wrong: one class each, one sentence each.

The command line prints the sentence and exits with status 2; a library user catches
:class:`SparseVAEError`, or the one class that matters.
"""


class SparseVAEError(Exception):
    """Base of every error that a user can cause; its text is one sentence that says what to do."""


class ConfigurationError(SparseVAEError):
    """A setting is unknown, out of its range, or contradicts another."""


class DatasetError(SparseVAEError):
    """A data set is unknown, absent, truncated, corrupt, or does not fit the model."""


class NoNumbersError(DatasetError):
    """A table holds more than finite numbers: text, dates, or nothing at some places."""


class DownloadError(DatasetError):
    """Every mirror failed: no network, a time-out, or content with another checksum."""


class RunFolderError(SparseVAEError):
    """A run folder is missing, unfinished, unreadable, or belongs to another configuration."""


class DeviceError(SparseVAEError):
    """The device that was asked for is not on this machine."""


class OutputError(SparseVAEError):
    """The place to write to is a file, is not writable, is full, or is another process's."""


class TakenError(OutputError):
    """Another process works on the folder."""
