"""Runs an EHR for tests: the authorization server of Django OAuth Toolkit, and FHIR behind it.

    python -m tests.smart.authorization_server PORT REDIRECT_URL FOLDER

It knows the stories, one user (nurse, password demo), and one public client, `sodium-app`, that must
use PKCE. Its pages are in tests/smart/ehr.py.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

CLIENT = "sodium-app"
KINDS = (
    *("Patient", "Encounter", "Observation", "Condition"),
    *("MedicationRequest", "Medication", "MedicationAdministration"),
)
SCOPES = ("openid", "fhirUser", "launch", "launch/patient", *(f"patient/{k}.rs" for k in KINDS))
LOGIN = """<!doctype html><title>EHR</title><form method="post">{% csrf_token %}{{ form }}
<button type="submit">Log in</button></form>"""


def configure(port: int, folder: Path) -> None:
    """Sets Django up over a database in this folder."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    settings.configure(
        SECRET_KEY=secrets.token_hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.smart.ehr",
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "ehr.db")}
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {"registration/login.html": LOGIN},
                        ),
                        "django.template.loaders.app_directories.Loader",
                    ],
                    "context_processors": ["django.template.context_processors.request"],
                },
            }
        ],
        LOGIN_URL="/login/",
        USE_TZ=True,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # the fastest
        # The app comes back here from within a frame of another site.
        SESSION_COOKIE_SAMESITE="None",
        SESSION_COOKIE_SECURE=True,
        CSRF_COOKIE_SAMESITE="None",
        CSRF_COOKIE_SECURE=True,
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": pem.decode(),
            "PKCE_REQUIRED": True,
            "SCOPES": dict.fromkeys(SCOPES, "for the sodium app"),
            "OAUTH2_VALIDATOR_CLASS": "tests.smart.ehr.Validator",
            "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        },
    )
    django.setup()


def prepare(redirect: str) -> None:
    """Makes the tables, the user and the registration of the app."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    User.objects.create_user("nurse", password="demo")
    get_application_model().objects.create(
        name="Sodium",
        client_id=CLIENT,
        client_secret="",
        client_type="public",
        authorization_grant_type="authorization-code",
        redirect_uris=redirect,
        algorithm="RS256",
    )


def serve(port: int) -> None:
    """Answers until the process is ended."""
    from django.core.wsgi import get_wsgi_application

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the test looks at the pages."""

    server = Server(("127.0.0.1", port), Handler)
    server.set_app(get_wsgi_application())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


def main() -> None:
    """Runs the server of the command line."""
    port, redirect, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    configure(port, folder)
    prepare(redirect)
    serve(port)


if __name__ == "__main__":
    main()
