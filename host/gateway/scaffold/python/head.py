"""The transform {{name}}. Each hook is a class, and `wit/world.wit` names them all."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types

# `[transforms.config]` of the gateway's configuration: a dict for each hook, which is filled with defaults below.
config: dict[str, dict] = {}


class Lifecycle(exports.Lifecycle):
    def configure(self, text: str) -> types.Info:
        """An `Err` that is raised is a refusal of the configuration. Any other exception would be a crash."""
        for hook, settings in json.loads(text).items():
            for name, value in settings.items():
                if type(config.get(hook, {}).get(name)) is not type(value):
                    raise Err(f"{hook}.{name}: unknown, or of another type")
                config[hook][name] = value
        return types.Info("{{name}}", "0.1.0", [])
