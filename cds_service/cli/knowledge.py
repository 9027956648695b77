"""`cds-service check` and `cds-service basis` read hooks/, the knowledge files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from cds_service.cli.regulatory import NAME as REGULATORY
from cds_service.cli.regulatory import pages_of, write_pages
from cds_service.cli.replay import HOOKS_FOLDER, offline_pipeline, print_json
from cds_service.cli.review_examples import shown_examples
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.errors import SettingsError
from cds_service.knowledge.basis import basis_text, evidence_counts
from cds_service.knowledge.examples import NAME as EXAMPLES
from cds_service.knowledge.examples import examples_text
from cds_service.knowledge.languages import ENGLISH, Language, missing_words
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.knowledge.regulatory import load_regulatory
from cds_service.knowledge.review import Reviews, sign_line
from cds_service.records.searches import long_searches
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import naming, refuse_missing_files, settings_from_environment
from cds_service.trust.modes import refuse_unknown_names
from cds_service.trust.registry import Registry


@click.command("check")
@HOOKS_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--sign-line",
    "to_sign",
    metavar="FILE",
    help="Print what to paste into reviewed.toml for FILE.",
)
def check(hooks: Path | None, as_json: bool, to_sign: str | None) -> None:
    """Check the knowledge files in hooks/.

    It checks their form, sources and words, that each name they use is defined, and that the
    clients of CDS_CLIENTS_FILE switch off rules that exist. If something is wrong, it ends with
    exit code 78 and one line that names the file and the key. It lists the texts that a language
    lacks. It warns if a search is too long for some servers, with the codes of CDS_LOCAL_CODES.

    \b
    Example, after reading knowledge/thresholds.toml:
      cds-service check --sign-line knowledge/thresholds.toml
    """
    folder = hooks or default_hooks_dir()
    knowledge = offline_pipeline(folder).knowledge
    reviews = knowledge.reviews
    if to_sign is not None:
        known = (*reviews.signed, *reviews.changed, *reviews.unsigned)
        if to_sign not in known:
            raise click.BadParameter(
                f"use one of {', '.join(sorted(known))}", param_hint="--sign-line"
            )
        text = (folder / to_sign).read_text(encoding="utf-8")
        click.echo(sign_line(to_sign, text, date.today()), nl=False)
        return
    load_regulatory(folder, knowledge)
    refuse_missing_files(settings_from_environment())
    _check_clients(knowledge)
    counts = {
        "services": len(knowledge.services),
        "rules": len(knowledge.rules),
        "numbers": sum(evidence_counts(knowledge).values()),  # with those of a profile
        "drugs": len(knowledge.terms.drugs),
        "problems": len(knowledge.terms.concepts),
        "analytes": len(knowledge.terms.labs),
        "citations": len(knowledge.citations),
    }
    warnings = _warnings(knowledge)
    if as_json:
        print_json(
            {
                "sound": True,
                "sha256": knowledge.sha256,
                "counts": counts,
                "reviewed": reviews.complete,
                "unsigned": reviews.unsigned,
                "changed": reviews.changed,
                "languages": {
                    code: {"missing": missing_words(knowledge, one), "unfit": _unfit(one)}
                    for code, one in knowledge.languages.items()
                },
                "warnings": warnings,
            }
        )
        return
    click.echo("hooks/ is sound: " + ", ".join(f"{n} {what}" for what, n in counts.items()) + ".")
    click.echo(f"SHA-256 {knowledge.sha256}")
    _print_reviews(reviews)
    for language in knowledge.languages.values():
        _print_language(language, missing_words(knowledge, language))
    for sentence in warnings:
        click.echo(f"Warning: {sentence}.", err=True)


def _check_clients(knowledge: Knowledge) -> None:
    """Raises RegistryError if a client of CDS_CLIENTS_FILE names a rule that there is not."""
    path = settings_from_environment().clients_file
    if path is not None:
        with naming("clients_file"):
            registry = Registry.load(path, allow_http=True)
            refuse_unknown_names(registry, knowledge.rules, (ENGLISH, *knowledge.languages))


def _warnings(knowledge: Knowledge) -> tuple[str, ...]:
    """Returns what does not stop a start, with the codes of CDS_LOCAL_CODES if that is set."""
    site = site_codes(knowledge.terms, codes=settings_from_environment().local_codes, named=naming)
    services = asking_for(knowledge, site).services.values()
    return long_searches(service.prefetch for service in services)


def _unfit(language: Language) -> dict[str, str]:
    return {".".join(path): why for path, why in language.unfit.items()}


def _print_language(language: Language, missing: Sequence[str]) -> None:
    """Prints which texts of a language cards show in English, and why."""
    unfit = _unfit(language)
    name = f"  {language.head.name} ({language.code})"
    if not missing and not unfit:
        click.echo(f"{name}: all texts are there")
        return
    click.echo(f"{name}: {len(missing) + len(unfit)} texts are shown in English:")
    for path in missing:
        click.echo(f"    {path}: missing")
    for path, why in unfit.items():
        click.echo(f"    {path}: {why}")


def _print_reviews(reviews: Reviews) -> None:
    """Prints who signed which file, and which files have no valid signature."""
    for name, review in reviews.signed.items():
        click.echo(f"  signed by {review.name}, {review.role}, {review.date:%Y-%m-%d}: {name}")
    for name in reviews.changed:
        click.echo(f"  not clinically reviewed, changed since it was signed: {name}")
    for name in reviews.unsigned:
        click.echo(f"  not clinically reviewed: {name}")


@click.command("basis")
@click.option("--write", is_flag=True, help="Write the document.")
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Exit with 1 if the document differs from what hooks/ says.",
)
@HOOKS_FOLDER
@click.option(
    "--document",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("docs/clinical-basis.md"),
    show_default=True,
    help="The file to write or to check.",
)
def basis(write: bool, only_check: bool, hooks: Path | None, document: Path) -> None:
    """Print the basis of every card as Markdown.

    It lists the rules, words, numbers and sources of hooks/. Beside the document it writes
    clinical-examples.json: the card that a story gives for each rule, for the pages /basis/<rule>;
    and, if there is a folder regulatory beside it, the pages of `cds-service regulatory`.

    \b
    Examples:
      cds-service basis > basis.md
      cds-service basis --write
    """
    folder = hooks or default_hooks_dir()
    if not (write or only_check):
        sys.stdout.write(basis_text(load_knowledge(folder)))
        return
    pipeline = offline_pipeline(folder)
    stories = load_stories(default_fixtures_dir())
    texts = {
        document: basis_text(pipeline.knowledge),
        document.with_name(EXAMPLES): examples_text(shown_examples(pipeline, stories)),
    }
    for path, text in texts.items():
        if write:
            _write(path, text)
        else:
            _compare(path, text)
    beside = document.parent / REGULATORY
    if write and beside.is_dir():
        write_pages(pages_of(pipeline.knowledge, folder), beside)


def _write(document: Path, text: str) -> None:
    try:
        document.write_text(text, encoding="utf-8")
    except OSError:
        raise SettingsError(f"{document}: cannot be written") from None
    click.echo(f"Written: {document}.")


def _compare(document: Path, text: str) -> None:
    """Ends with 1 if the document is missing, unreadable or not current."""
    try:
        written = document.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        written = ""
    if written != text:
        click.echo(
            f"{document} is not what hooks/ says. Run `cds-service basis --write`.", err=True
        )
        sys.exit(1)
    click.echo(f"{document} is current.")
