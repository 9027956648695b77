"""`cds-service check`: whether hooks/ is sound."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cds_service.cli.offline import offline_pipeline
from cds_service.knowledge.load import Knowledge, default_hooks_dir
from cds_service.protocol.wire import encode


@click.command("check")
@click.option("--hooks", type=click.Path(path_type=Path, file_okay=False), help="Another hooks/ folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(hooks: Path | None, as_json: bool) -> None:
    """Check the knowledge files: schema, sources, words, names that lead nowhere.

    Ends with exit code 78 and one line that names file and key where something is wrong.
    """
    knowledge = offline_pipeline(hooks or default_hooks_dir()).knowledge
    counts = _counts(knowledge)
    reviews = knowledge.reviews
    if as_json:
        told = {"sound": True, "sha256": knowledge.sha256, "counts": counts, "reviewed": reviews.complete}
        sys.stdout.write(encode(told).decode() + "\n")
        return
    click.echo("hooks/ is sound: " + ", ".join(f"{n} {what}" for what, n in counts.items()) + ".")
    click.echo(f"SHA-256 {knowledge.sha256}")
    if not reviews.complete:
        unsigned, changed = len(reviews.unsigned), len(reviews.changed)
        click.echo(f"Not clinically reviewed: {unsigned} files unsigned, {changed} changed since signed.")


def _counts(knowledge: Knowledge) -> dict[str, int]:
    return {
        "services": len(knowledge.services),
        "rules": sum(len(s.file.rules) for s in knowledge.services.values()),
        "numbers": len(knowledge.thresholds),
        "drugs": len(knowledge.terms.drugs),
        "problems": len(knowledge.terms.concepts),
        "analytes": len(knowledge.terms.labs),
        "citations": len(knowledge.citations),
    }
