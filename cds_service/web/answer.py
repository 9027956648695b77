"""A whole answer in memory, and what every answer of this service carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Response

JSON = "application/json"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}
_DEMO = {"X-Demo": "1"}  # T-68
_UNSTORED = (("Content-Type", JSON), ("Cache-Control", "no-store"))


class Answer(Response):
    """JSON that nobody may store, sent as it stands: there is nothing in it to be worked out at the end."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, headers=_UNSTORED)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A HEAD request goes the usual way, which leaves the body out."""
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        whole: list[bytes] = self.response  # type: ignore[assignment]  # the one byte string it was made with
        return whole


def marks(*, demo: bool) -> Callable[[Response], Response]:
    """What puts our headers on an answer, in one pass, and leaves those that it has."""
    ours = _HEADERS | (_DEMO if demo else {})
    lower = {name.lower(): (name, value) for name, value in ours.items()}

    def mark(response: Response) -> Response:
        headers = response.headers
        present = {name.lower() for name, _ in headers}
        for key, named in lower.items():
            if key not in present:
                headers.add(*named)
        return response

    return mark
