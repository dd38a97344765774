"""The command line; heavy libraries are imported by the commands that need them."""

from sparsevae.cli import (
    cards,
    explore,
    export,
    fitting,
    look_up,
    own_data,
    reproduce,
    studies,
    tracking,
    tuning,
)
from sparsevae.cli.application import app, main

PANELS = {
    studies: "Studies",
    reproduce: "Studies",
    tuning: "Studies",
    tracking: "Studies",
    explore: "Studies",
    fitting: "Your own data",
    own_data: "Your own data",
    cards: "Your own data",
    export: "Share",
    look_up: "Look up",
}
"""The heading in the help that the commands of a module stand under, in this order."""

registered, app.registered_commands = app.registered_commands, []
for module, panel in PANELS.items():
    for command in registered:
        if command.callback and command.callback.__module__ == module.__name__:
            command.rich_help_panel = panel
            app.registered_commands.append(command)

__all__ = ["app", "main"]
