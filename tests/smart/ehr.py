"""The pages of the EHR of these tests: login, authorization, FHIR behind a token, and a chart with a frame.

It is imported by Django once that is set up (`tests.smart.authorization_server`).
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path
from django.utils import timezone
from django.utils.html import escape
from oauth2_provider.models import get_access_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator

from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.errors import ServiceError

STORIES = load_stories(default_fixtures_dir())
PATIENT_OF_LAUNCH: dict[str, str] = {}
PATIENT_OF_CODE: dict[str, str] = {}
STANDALONE = "near-the-limit"  # the patient that a user picks if the app is opened by itself


class Validator(OAuth2Validator):  # type: ignore[misc]  # Django OAuth Toolkit has no types
    """What SMART App Launch adds to OAuth: the patient of the launch, and who the user is."""

    oidc_claim_scope = None

    def save_authorization_code(
        self, client_id: str, code: Any, request: Any, *more: Any, **also: Any
    ) -> None:
        PATIENT_OF_CODE[code["code"]] = PATIENT_OF_LAUNCH.get(
            getattr(request, "launch", ""), STANDALONE
        )
        super().save_authorization_code(client_id, code, request, *more, **also)

    def save_bearer_token(self, token: Any, request: Any, *more: Any, **also: Any) -> None:
        super().save_bearer_token(token, request, *more, **also)
        patient = PATIENT_OF_CODE.get(request.code or "")
        if patient:
            token |= {"patient": patient, "encounter": f"{patient}-visit"}

    def get_additional_claims(self, request: Any) -> dict[str, str]:
        return {"fhirUser": f"{base()}/Practitioner/nurse"}


def base() -> str:
    return os.environ["EHR_BASE"]


def smart_configuration(request: HttpRequest) -> HttpResponse:
    """Answers what an app needs to know before a launch."""
    origin = base().removesuffix("/fhir")
    return JsonResponse(
        {
            "issuer": f"{origin}/o",
            "jwks_uri": f"{origin}/o/.well-known/jwks.json",
            "authorization_endpoint": f"{origin}/o/authorize/",
            "token_endpoint": f"{origin}/o/token/",
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "permission-v2"],
        }
    )


def allowed(request: HttpRequest, kind: str) -> bool:
    """Whether the token of the request is good, and may read this kind of resource."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    found = get_access_token_model().objects.filter(token=token).first()
    if scheme != "Bearer" or found is None or found.expires < timezone.now():
        return False
    return f"patient/{kind}.rs" in found.scope.split()


def server() -> MemoryServer:
    now = datetime.now(UTC)
    resources = [r for story in STORIES.values() for r in story.resources_at(now)]
    return MemoryServer(base(), resources)


def fhir(request: HttpRequest, kind: str, name: str = "") -> HttpResponse:
    """Answers a read or a search, as far as the token allows."""
    if not allowed(request, kind):
        return JsonResponse({"resourceType": "OperationOutcome"}, status=403)
    try:
        if name:
            found = server().read(kind, name)
        else:
            found = server().search(Query(type=kind, parameters=request.GET.dict()))
    except ServiceError as error:
        return JsonResponse({"resourceType": "OperationOutcome"}, status=error.status)
    return HttpResponse(json.dumps(found, default=float), content_type="application/fhir+json")


def launched(request: HttpRequest) -> str:
    """Returns the address that opens the app for the patient whose chart is open."""
    handle = secrets.token_urlsafe()
    PATIENT_OF_LAUNCH[handle] = request.GET["patient"]
    return f"{request.GET['app']}?{urlencode({'iss': base(), 'launch': handle})}"


def chart(request: HttpRequest) -> HttpResponse:
    """Shows the EHR's chart of a patient, with the app in a frame."""
    page = f'<!doctype html><title>EHR</title><iframe id="app" width="900" height="800" src="{escape(launched(request))}"></iframe>'
    return HttpResponse(page)


def window(request: HttpRequest) -> HttpResponse:
    """Opens the app in the window of the EHR."""
    return HttpResponseRedirect(launched(request))


urlpatterns = [
    path("login/", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("ehr/chart", chart),
    path("ehr/window", window),
    path("fhir/.well-known/smart-configuration", smart_configuration),
    path("fhir/<str:kind>/<str:name>", fhir),
    path("fhir/<str:kind>", fhir),
]
