"""`cds-service check`: whether hooks/ is sound."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import click

from cds_service.cli.offline import offline_pipeline
from cds_service.knowledge.load import Knowledge, default_hooks_dir
from cds_service.knowledge.review import Reviews, sign_line
from cds_service.protocol.wire import encode


@click.command("check")
@click.option(
    "--hooks", type=click.Path(path_type=Path, file_okay=False), help="Another hooks/ folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--sign-line",
    "to_sign",
    metavar="FILE",
    help="Print what to paste into reviewed.toml for FILE.",
)
def command(hooks: Path | None, as_json: bool, to_sign: str | None) -> None:
    """Check the knowledge files: schema, sources, words, names that lead nowhere.

    Ends with exit code 78 and one line that names file and key where something is wrong.

    \b
    Example, after reading knowledge/thresholds.toml:
      cds-service check --sign-line knowledge/thresholds.toml
    """
    folder = hooks or default_hooks_dir()
    knowledge = offline_pipeline(folder).knowledge
    if to_sign is not None:
        click.echo(_line_to_sign(folder, to_sign, knowledge.reviews), nl=False)
        return
    counts = _counts(knowledge)
    reviews = knowledge.reviews
    if as_json:
        told = {
            "sound": True,
            "sha256": knowledge.sha256,
            "counts": counts,
            "reviewed": reviews.complete,
            "unsigned": reviews.unsigned,
            "changed": reviews.changed,
        }
        sys.stdout.write(encode(told).decode() + "\n")
        return
    click.echo("hooks/ is sound: " + ", ".join(f"{n} {what}" for what, n in counts.items()) + ".")
    click.echo(f"SHA-256 {knowledge.sha256}")
    _tell_review(reviews)


def _tell_review(reviews: Reviews) -> None:
    """Who answers for which file, and which files nobody answers for."""
    for name, review in reviews.signed.items():
        click.echo(f"  signed by {review.name}, {review.role}, {review.date:%Y-%m-%d}: {name}")
    for name in reviews.changed:
        click.echo(f"  not clinically reviewed, changed since it was signed: {name}")
    for name in reviews.unsigned:
        click.echo(f"  not clinically reviewed: {name}")


def _line_to_sign(folder: Path, name: str, reviews: Reviews) -> str:
    known = (*reviews.signed, *reviews.changed, *reviews.unsigned)
    if name not in known:
        raise click.BadParameter(f"use one of {', '.join(sorted(known))}", param_hint="--sign-line")
    return sign_line(name, (folder / name).read_text(encoding="utf-8"), date.today())


def _counts(knowledge: Knowledge) -> dict[str, int]:
    return {
        "services": len(knowledge.services),
        "rules": len(knowledge.rules),
        "numbers": len(knowledge.thresholds),
        "drugs": len(knowledge.terms.drugs),
        "problems": len(knowledge.terms.concepts),
        "analytes": len(knowledge.terms.labs),
        "citations": len(knowledge.citations),
    }
