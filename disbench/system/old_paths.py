"""Old import paths, which keep working for one release with a DeprecationWarning.

`import disbench.compare` and the like find a stand-in module here. `forward` answers old names of packages that still
exist, such as `disbench.models.load`.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# old module -> old name -> "module:name" of today
MODULES = {
    "disbench.compare": {
        "compare": "disbench.stats.compare:compare",
        "lines_of": "disbench.stats.compare:compare_subset",
        "Line": "disbench.stats.compare:Comparison",
        "Score": "disbench.stats.compare:MethodScore",
        "Difference": "disbench.stats.compare:Difference",
    },
    "disbench.evaluate": {"run": "disbench.runs.api:run", "score_folder": "disbench.runs.api:score_maps"},
    "disbench.predict": {
        "Folder": "disbench.inference.map_folder:MapFolder",
        "Model": "disbench.inference.model:Model",
        "Predictor": "disbench.inference.predictor:Predictor",
    },
}


def forward(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a module's `__getattr__`, which answers old names with what they are called today."""

    def answer(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, attribute = names[name].partition(":")
        warnings.warn(f"{module}.{name} has moved: import {attribute} from {home}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), attribute)

    return answer


class _OldModule(ModuleType):
    """A stand-in, which can be called like the public function whose name it hides, as disbench.compare."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__(self.__name__.rpartition(".")[2])(*args, **kwargs)


class _Finder:
    """Finds and makes stand-ins. importlib.abc is not imported for its bases: that takes 20 ms."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MODULES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = forward(module.__name__, MODULES[module.__name__])  # type: ignore[method-assign]


def install() -> None:
    """Let old modules be imported. Called once, by disbench itself."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
