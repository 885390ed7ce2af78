"""The exception for lines, and for logs, that cannot be read."""


class ParseError(ValueError):
    """A line that is no row, where none is stood; or a log none of whose lines is one.

    `kind` is one of the reasons of rejected lines, such as ``"bad_timestamp"``, or ``"no_rows"``,
    ``"too_many_rejects"`` or ``"encoding"`` for a log as a whole. `line` counts from 1, `offset` is in bytes of the
    decompressed log, `raw` holds the line's bytes (64 KiB at most). What is not known is ``None``.

    >>> import nasalogs
    >>> try:
    ...     nasalogs.parse_line('h - - [31/Feb/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 1')
    ... except nasalogs.ParseError as error:
    ...     print(error.kind)
    bad_timestamp
    """

    # Where it is imported from, which is what tracebacks show.
    __module__ = "nasalogs"

    kind: str
    line: int | None
    offset: int | None
    raw: bytes | None
    file: str | None

    def __init__(
        self,
        message: str,
        kind: str,
        line: int | None = None,
        offset: int | None = None,
        raw: bytes | None = None,
        file: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line
        self.offset = offset
        self.raw = raw
        self.file = file

    def __reduce__(self) -> tuple[type["ParseError"], tuple[object, ...]]:
        """Keep the attributes on the way to another process."""
        return type(self), (str(self), self.kind, self.line, self.offset, self.raw, self.file)
