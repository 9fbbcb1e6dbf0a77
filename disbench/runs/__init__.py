"""Runs: their specification, computation, storage and reading."""

from disbench.system import old_paths

__getattr__ = old_paths.forward(
    __name__,
    {
        "Manifest": "disbench.runs.manifest:Manifest",
        "Result": "disbench.runs.result:Result",
        "latest": "disbench.runs.result:load_latest",
        "load": "disbench.runs.result:load_run",
        "read_manifest": "disbench.runs.manifest:read_manifest",
    },
)
