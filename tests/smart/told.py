"""An EHR on this machine that says of a launch what a test tells it to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from cds_service.trust.client import Client, SmartLaunch

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Ehr:
    """An EHR on this machine that says what a test tells it to say, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        ehr = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(parse_qs(body.decode()))

            def _answer(self, form: dict[str, list[str]]) -> None:
                ehr.asked.append((self.path, form))
                status, text = ehr.answers.get(self.path, (404, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.base = f"{self.origin}/fhir"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.says(self.configuration())
        self.answers["/jwks"] = (200, json.dumps(_keys(KEY)).encode())

    def configuration(self, **other: Any) -> dict[str, Any]:
        return {
            "issuer": self.origin,
            "jwks_uri": f"{self.origin}/jwks",
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "code_challenge_methods_supported": ["S256"],
        } | other

    def says(self, configuration: object) -> None:
        text = json.dumps(configuration).encode()
        self.answers["/fhir/.well-known/smart-configuration"] = (200, text)

    def gives(self, status: int = 200, **token: Any) -> None:
        whole = {"access_token": "t", "token_type": "Bearer", "patient": "p1"} | token
        self.answers["/token"] = (status, json.dumps(whole).encode())

    def client(self, **more: Any) -> Client:
        smart = SmartLaunch(client_id="sodium-app", **more)
        return Client(name="mercy", fhir_bases=(self.base,), allow_private=True, smart=smart)


def _keys(key: rsa.RSAPrivateKey) -> Mapping[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"keys": [public | {"kid": "k1", "use": "sig", "alg": "RS256"}]}
