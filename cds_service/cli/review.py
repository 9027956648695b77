"""`cds-service review` writes a page for reviewers, and `review apply` takes their answers."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
from msgspec.structs import asdict

from cds_service.cli.manners import Group
from cds_service.cli.replay import FIXTURES_FOLDER, HOOKS_FOLDER, offline_pipeline, print_json
from cds_service.cli.review_examples import examples
from cds_service.cli.review_page import review_page
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.errors import KnowledgeError, SettingsError
from cds_service.knowledge.answers import (
    Applied,
    Saved,
    apply_answers,
    items_of,
    read_answers,
    with_signatures,
)
from cds_service.knowledge.load import default_hooks_dir, load_knowledge, read_files
from cds_service.knowledge.review import REVIEWED, review_state

_MOST_NAMED = 6
SAVED = click.Path(path_type=Path, dir_okay=False)


@click.group("review", cls=Group, invoke_without_command=True)
@click.option(
    "--out",
    type=SAVED,
    default=Path("knowledge-review.html"),
    show_default=True,
    help="The page to write.",
)
@click.option(
    "--from",
    "earlier",
    type=SAVED,
    help="Answers saved before: those to what has not changed are on the page again.",
)
@HOOKS_FOLDER
@FIXTURES_FOLDER
@click.pass_context
def review(
    context: click.Context,
    out: Path,
    earlier: Path | None,
    hooks: Path | None,
    fixtures: Path | None,
) -> None:
    """Write a page to review hooks/ on.

    It is for a pharmacist or nephrologist. The page is one file without network: open it with a
    browser. It shows each rule with a real card, its numbers and sources, and where it falls
    silent. The reviewer ticks or comments, and saves a file for `cds-service review apply`. Only
    invented patients are on it.

    \b
    Examples:
      cds-service review
      cds-service review --from my-review.toml --out next.html
    """
    if context.invoked_subcommand is not None:
        return
    folder = hooks or default_hooks_dir()
    pipeline = offline_pipeline(folder)
    saved = _saved(earlier) if earlier is not None else None
    cards = examples(pipeline, load_stories(fixtures or default_fixtures_dir()))
    page = review_page(pipeline.knowledge, read_files(folder), cards, saved)
    _write(out, page)
    click.echo(f"Written: {out}. Open it with a browser; it needs no network.")
    click.echo("The reviewer's file goes to: cds-service review apply FILE")


@review.command("apply")
@click.argument("file", type=SAVED)
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be signed.")
@click.option(
    "--replace", "replace_signed", is_flag=True, help="Replace signatures that are still valid."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@HOOKS_FOLDER
def apply(
    file: Path, dry_run: bool, replace_signed: bool, as_json: bool, hooks: Path | None
) -> None:
    """Sign what a reviewer agreed to.

    All comments are listed.

    A file is signed in knowledge/reviewed.toml if it is as it was on the page and every rule and
    number in it was agreed to. The reviewer's FILE is never changed. Exit code 1 if what was
    agreed to has changed since, exit code 78 if FILE cannot be used; then nothing is signed.

    \b
    Example:
      cds-service review apply review-ada-example.toml --dry-run
    """
    folder = hooks or default_hooks_dir()
    texts = read_files(folder)
    applied = apply_answers(
        _saved(file), items_of(load_knowledge(folder), texts), texts, replace_signed=replace_signed
    )
    before = texts.get(REVIEWED, "")
    table = with_signatures(before, applied.signed) if applied.signed else before
    review_state({**texts, REVIEWED: table})  # a table that does not load is never written
    if applied.signed and not dry_run:
        _write(folder / REVIEWED, table)
    if as_json:
        print_json(_as_json(applied, written=bool(applied.signed) and not dry_run))
    else:
        _print(applied, table if dry_run else "")
    if applied.stale:
        sys.exit(1)


def _saved(path: Path) -> Saved:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise KnowledgeError(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KnowledgeError(f"{path.name}: this is no UTF-8 text") from None
    return read_answers(text, path.name)


def _write(path: Path, text: str) -> None:
    """Replaces a file in one step, so that no crash leaves half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}-")
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            draft.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from None


def _as_json(applied: Applied, *, written: bool) -> Mapping[str, object]:
    return {
        "written": written,
        "signed": {name: _signature(review) for name, review in applied.signed.items()},
        "alreadySigned": {name: _signature(review) for name, review in applied.kept.items()},
        "changedSince": applied.stale,
        "notAgreed": applied.missing,
        "comments": [asdict(comment) for comment in applied.comments],
    }


def _signature(review: object) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(review).items()}  # type: ignore[arg-type]


def _print(applied: Applied, table: str) -> None:
    for name, one in applied.signed.items():
        click.echo(f"Signed: {name}, by {one.name}, {one.role}, {one.date}")
    for name, one in applied.kept.items():
        click.echo(f"Already signed: {name}, by {one.name} on {one.date} (--replace signs it anew)")
    for name, items in applied.missing.items():
        click.echo(f"Not signed: {name}: not agreed to: {_named(items)}")
    if not (applied.signed or applied.kept or applied.missing or applied.stale):
        click.echo("Nothing was agreed to, so nothing is signed.")
    _print_stale(applied)
    _print_comments(applied)
    if table:
        click.echo(f"\n{REVIEWED} would be:\n\n{table}", nl=False)


def _print_stale(applied: Applied) -> None:
    for name, items in applied.stale.items():
        what = _named(items) if items else "only its comments or order"
        click.echo(f"Not signed: {name} has changed since the page was made: {what}", err=True)
    if applied.stale:
        click.echo(
            "Make a new page with `cds-service review --from FILE`: it keeps the answers to all "
            "that has not changed.",
            err=True,
        )


def _print_comments(applied: Applied) -> None:
    click.echo(f"\nComments: {len(applied.comments)}")
    for comment in applied.comments:
        state = "agreed" if comment.agreed else "OPEN"
        changed = ", changed since" if comment.changed else ""
        click.echo(f"  [{state}{changed}] {comment.title}")
        for text in comment.comment.splitlines():
            click.echo(f"      {text}")


def _named(items: tuple[str, ...]) -> str:
    more = len(items) - _MOST_NAMED
    shown = ", ".join(items[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
