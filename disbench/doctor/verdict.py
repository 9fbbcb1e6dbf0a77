"""The verdict of a check, on an adapter or on a GPU."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        check: name of the check.
        ok: whether it passed; None: it was skipped.
        message: what was observed.
        fix: what to do if it failed.
        times: what a check measured; see `networks.time_network`.
    """

    check: str
    ok: bool | None
    message: str
    fix: str = ""
    times: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as `disbench doctor --json` prints it."""
        record = {"check": self.check, "ok": self.ok, "found": self.message, "fix": self.fix}
        return record if self.times is None else record | {"times": self.times}
