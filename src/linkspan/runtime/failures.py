"""What crun and runc say when they fail, in Docker's words (pure)."""

from __future__ import annotations

from linkspan.model.errors import LinkspanError


class RuntimeFailure(LinkspanError):
    """The OCI runtime refused. The text is Docker's; `code` is the exit code Docker gives it (125, 126 or 127)."""

    def __init__(self, text: str, code: int = 125) -> None:
        super().__init__(text)
        self.code = code
