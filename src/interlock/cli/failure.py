"""How a command ends when it does not end well: what, why, what to type next, and an exit code."""

from __future__ import annotations

DONE, FAILED, USAGE, FOUND, UNREACHABLE, CONFLICT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
"""Exit codes. FOUND: it finished and found something. UNREACHABLE: or not allowed. CONFLICT: stale rev, offer taken."""


class Failure(Exception):
    """A command cannot go on. `what` happened, `why`, and what to type `next`; `code` is the exit code."""

    def __init__(self, what: str, why: str = "", next: str = "", *, code: int = FAILED) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.code = code

    def lines(self) -> list[str]:
        """The message, as it is printed."""
        out = [f"interlock: {self.what}"]
        if self.why:
            out.append(f"  why   {self.why}")
        if self.next:
            out.append(f"  next  {self.next}")
        return out

    def document(self) -> dict[str, object]:
        """The same for programs."""
        return {"error": {"what": self.what, "why": self.why, "next": self.next, "exit": self.code}}
