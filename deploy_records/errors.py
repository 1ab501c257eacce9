"""The two kinds of errors: those a person can do something about, and ours."""


class Refused(Exception):
    """A rule said no. The message is shown to the person: what was refused, why, and what to do."""

    def __init__(self, message: str, *, code: str = "refused", status: int = 409) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        """HTTP status with which a page answers."""


class NotAllowed(Refused):
    """The person lacks the permission or may not act on their own request."""

    def __init__(self, message: str, *, code: str = "not-allowed") -> None:
        super().__init__(message, code=code, status=403)


class Invalid(Refused):
    """An input is not of the form that is needed. Nothing was stored."""

    def __init__(self, message: str, *, code: str = "invalid") -> None:
        super().__init__(message, code=code, status=400)


class Broken(Exception):
    """Something of ours or beneath us failed. Logged and alarmed; the message holds no secret."""
