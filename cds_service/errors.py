"""What can go wrong, and what the caller then sees.

* ServiceError                  a hook call that gets an error status, never an empty list of cards
  - BadRequest             400  the call is not a CDS Hooks request we can answer
  - Unauthorized           401  one body for every cause
  - Forbidden              403  this client may not call this service
  - NotFound               404  no such service or page
  - MethodNotAllowed       405
  - SlowBody               408  the body did not arrive within its deadline
  - DataUnavailable        412  sodium was neither prefetched nor readable
    - DataTooSlow               ... in time
    - DataRefused               ... with the token of the call
    - DataLeftAlone             ... from a server that is not asked, because it kept failing
  - BodyTooLarge           413
  - UnsupportedMedia       415  content type or content encoding
  - TooManyRequests        429
  - Overloaded             503  more work than this worker takes on
    - OutOfTime                 ... or than it could do before the call's deadline
  - StoreUnavailable       503  what must be kept cannot be kept now
  - NoRuleAsked            500  our bug: an answer without cards would look like an all-clear
* ConfigurationError            the service does not start (exit code 78)
  - KnowledgeError              hooks/ is inconsistent
  - RegistryError               clients.toml is inconsistent
  - SettingsError               a CDS_... variable is missing or wrong
  - TerminologyError            an RxNorm release, its index, or a file of local codes is wrong
* BacktestError                 an export or the folder of a backtest is not usable (exit code 65)
  - CannotWrite                 ... because the disk is full or may not be written (exit code 73)
  - FolderBusy                  ... now, because another run writes there (exit code 75)
* InputError                    a file that was given to a command is not usable (exit code 65)
* StoryError                    a folder of fixtures/ is not a story
* UploadError                   a FHIR server did not take the stories (`cds-service demo load`)

Texts are fixed and speak to the analyst who reads them; what a caller sent is never quoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class ServiceError(Exception):
    """A call that is answered with an error status; `message` says what to do about it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"  # FHIR issue type

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.causes: Mapping[str, str] = {}  # per prefetch key: the code of what lies behind it


class BadRequest(ServiceError):
    """The call is malformed, or does not fit the service it was sent to."""

    status = 400
    code = "invalid"


class Unauthorized(ServiceError):
    """The caller did not prove who it is."""

    status = 401
    code = "login"

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(message)
        self.why = why  # for the log and the workbench, never for the caller


class Forbidden(ServiceError):
    """The caller is known, and may not do this."""

    status = 403
    code = "forbidden"


class NotFound(ServiceError):
    """No such service or page."""

    status = 404
    code = "not-found"


class MethodNotAllowed(ServiceError):
    """The page exists and does not take this method."""

    status = 405
    code = "not-supported"


class SlowBody(ServiceError):
    """The body did not arrive within its deadline."""

    status = 408
    code = "timeout"


class DataUnavailable(ServiceError):
    """Required data was neither prefetched nor readable."""

    status = 412
    code = "incomplete"


class DataTooSlow(DataUnavailable):
    """Required data did not arrive within the deadline."""

    code = "timeout"


class DataRefused(DataUnavailable):
    """The FHIR server refused the request's token."""

    code = "forbidden"


class DataLeftAlone(DataUnavailable):
    """The FHIR server was not asked, because it kept failing."""

    code = "transient"


class BodyTooLarge(ServiceError):
    """The body is larger than this deployment reads."""

    status = 413
    code = "too-long"


class UnsupportedMedia(ServiceError):
    """The body is not JSON, or is compressed by another method than gzip."""

    status = 415
    code = "not-supported"


class TooManyRequests(ServiceError):
    """The caller exceeds its rate."""

    status = 429
    code = "throttled"


class Overloaded(ServiceError):
    """More work than this worker takes on at once."""

    status = 503
    code = "transient"


class OutOfTime(Overloaded):
    """The deadline of the call has passed: its caller has stopped waiting for the answer."""

    code = "timeout"

    def __init__(self) -> None:
        super().__init__(
            "The call could not be worked out by its deadline; nothing was checked. The service is "
            "busy, or the call holds far more than a usual one."
        )


class NoRuleAsked(ServiceError):
    """No rule looked at a call that needed one: an empty answer would look like an all-clear."""

    def __init__(self) -> None:
        super().__init__("No rule was asked about this call: this is an error of the service.")


class StoreUnavailable(ServiceError):
    """The database cannot do what an answer needs now; `cause` is the class of its error."""

    status = 503
    code = "transient"

    def __init__(self, cause: str) -> None:
        super().__init__("It cannot be stored now; send it again in a few seconds.")
        self.cause = cause


class ConfigurationError(Exception):
    """The service does not start; the text names the file or variable and the key."""


class KnowledgeError(ConfigurationError):
    """hooks/ is inconsistent."""


class RegistryError(ConfigurationError):
    """clients.toml is inconsistent."""


class SettingsError(ConfigurationError):
    """A CDS_... variable is missing or wrong."""


class TerminologyError(ConfigurationError):
    """An RxNorm release, its index, or a file of local codes is wrong; the text names the file."""


class BacktestError(Exception):
    """An export or the folder of a backtest cannot be used; the text names the file."""


class CannotWrite(BacktestError):
    """The folder of a backtest cannot be written; the text says why, and what to do."""


class FolderBusy(BacktestError):
    """Another process uses the folder of a backtest; the text says which, and since when."""


class InputError(Exception):
    """A file that was given to a command cannot be used; the text names it, and line and column."""


class StoryError(Exception):
    """A folder of fixtures/ is not a story; the text names the folder and the key."""


class UploadError(Exception):
    """A server did not accept a resource; the text names the resource and the status."""
