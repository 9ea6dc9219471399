"""Put the notebooks into the wheel, and only there: an editable installation reads those of the clone."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Notebooks(BuildHookInterface):
    """Add the folder `notebooks` to the package, where `dynsim notebooks` finds it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the folder unless the package is installed in place."""
        if version == "standard":
            build_data["force_include"]["notebooks"] = "dynsim/notebooks"
