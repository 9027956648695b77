"""An HTML page of the demo: own scripts and styles only, requests to this server only."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template

# HTML that a script inserts goes through one named policy.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types ehr"
)


def html_page(template: str, *, demo: bool = True, **values: Any) -> Response:
    """Returns a page that no cache may store."""
    response = Response(render_template(template, demo=demo, **values), mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


def files() -> Blueprint:
    """Returns what serves the scripts, styles and templates of these pages."""
    return Blueprint(
        "demo_files",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static/demo",
    )
