"""The verdict of a check, on an adapter or on a GPU."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        check: name of the check.
        ok: whether it passed.
        message: what was observed.
        fix: what to do if it failed.
    """

    check: str
    ok: bool
    message: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as `disbench doctor --json` prints it."""
        return {"check": self.check, "ok": self.ok, "found": self.message, "fix": self.fix}
