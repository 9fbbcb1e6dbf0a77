"""Import paths of the first version: they warn, and give the objects of the new paths."""

import re
import subprocess
import sys
from importlib import import_module

import pytest

import disbench
from disbench.system import old_paths

PATHS = {  # old -> new
    "disbench.models:Card": "disbench.registry.card:Card",
    "disbench.models:Download": "disbench.registry.card:Download",
    "disbench.models:STATUSES": "disbench.registry.card:STATUSES",
    "disbench.models:add": "disbench.registry.discovery:add_models_folder",
    "disbench.models:card": "disbench.registry.loading:get_card",
    "disbench.models:cards": "disbench.registry.discovery:list_cards",
    "disbench.models:load": "disbench.inference.model:load_model",
    "disbench.runs:Manifest": "disbench.runs.manifest:Manifest",
    "disbench.runs:Result": "disbench.runs.result:Result",
    "disbench.runs:latest": "disbench.runs.result:load_latest",
    "disbench.runs:load": "disbench.runs.result:load_run",
    "disbench.runs:read_manifest": "disbench.runs.manifest:read_manifest",
    "disbench.compare:compare": "disbench.stats.compare:compare",
    "disbench.predict:Model": "disbench.inference.model:Model",
    "disbench.predict:Folder": "disbench.inference.map_folder:MapFolder",
    "disbench.predict:Predictor": "disbench.inference.predictor:Predictor",
    "disbench.evaluate:run": "disbench.runs.api:run",
    "disbench.evaluate:score_folder": "disbench.runs.api:score_maps",
}


@pytest.fixture(autouse=True)
def forget_old_modules():
    """Leave no stand-in in the place of disbench.compare for other tests."""
    yield
    for module in old_paths.MODULES:
        sys.modules.pop(module, None)
        vars(disbench).pop(module.partition(".")[2], None)


def resolve(path):
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


@pytest.mark.parametrize(("old", "new"), PATHS.items())
def test_an_old_path_warns_and_gives_the_object_of_the_new_path(old, new):
    module, _, name = new.partition(":")
    words = f"{old.replace(':', '.')} has moved: import {name} from {module}"
    with pytest.warns(DeprecationWarning, match=rf"^{re.escape(words)}$") as caught:
        found = resolve(old)
    assert found is resolve(new)
    assert [warning.filename for warning in caught] == [__file__], "the warning names the line that imports"


def test_from_import_takes_old_names():
    with pytest.warns(DeprecationWarning, match=r"compare from disbench\.stats\.compare"):
        from disbench.compare import compare
    with pytest.warns(DeprecationWarning, match=r"load_model from disbench\.inference\.model"):
        from disbench.models import load
    assert compare is resolve("disbench.stats.compare:compare") and load is disbench.load


def test_new_paths_do_not_warn():
    """Nor do the public names of disbench; in a process of its own, in which nothing is imported yet."""
    code = "import disbench\nfor name in disbench.__all__: getattr(disbench, name)\n"
    code += "".join(f"from {new.replace(':', ' import ')}\n" for new in PATHS.values())
    fine, old = (import_strictly(text) for text in (code, code + "from disbench.models import Card"))
    assert (fine.returncode, fine.stderr) == (0, "")
    assert old.returncode == 1 and "disbench.models.Card has moved" in old.stderr


def import_strictly(code):
    """Run code in which a warning of disbench's old paths is an error."""
    command = [sys.executable, "-W", "error:disbench:DeprecationWarning", "-c", code]
    return subprocess.run(command, capture_output=True, text=True)


def test_disbench_compare_stays_a_function_after_the_import_of_its_old_module():
    import disbench.compare

    with pytest.warns(DeprecationWarning), pytest.raises(disbench.InputError, match="two"):
        disbench.compare([])


@pytest.mark.parametrize("path", ["disbench.models:no_such_name", "disbench.runs:sources", "disbench.compare:spread"])
def test_a_name_that_never_was_is_an_attribute_error(path):
    with pytest.raises(AttributeError, match=path.partition(":")[2]):
        resolve(path)


def test_a_module_that_never_was_is_a_module_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"disbench\.spread"):
        import disbench.spread  # noqa: F401
