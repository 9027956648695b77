"""What chart reviewers thought of the cards that were drawn for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

from cds_service.errors import BacktestError
from cds_service.feedback.arms import wilson

FORMAT = "hyponatremia-cds chart review 1"
Agreement = Literal["", "yes", "no", "unsure"]
Use = Literal["", "useful", "known", "needless", "harmful"]
AGREEMENTS: Mapping[Agreement, str] = {
    "yes": "The card was right",
    "no": "The card was wrong",
    "unsure": "The chart does not tell",
}
USES: Mapping[Use, str] = {
    "useful": "It would have helped",
    "known": "Right, but already known or managed",
    "needless": "Right, but of no use here",
    "harmful": "Following it could have harmed",
}
_PERCENT = 100


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one reviewer thought of one card."""

    agree: Agreement = ""
    use: Use = ""
    comment: str = ""


class Answers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that the form saved."""

    format: str
    sample: str  # which drawing of which run
    reviewer: str = ""
    date: str = ""
    answers: dict[str, Answer] = {}


class Share(Struct, frozen=True):
    """A share with its 95 % interval, in percent."""

    number: float  # cards; one about which reviewers differ counts in part
    whole: int

    @property
    def percent(self) -> float:
        """The share itself."""
        return _PERCENT * self.number / self.whole if self.whole else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval."""
        low, high = wilson(self.number, self.whole) if self.whole else (0.0, 1.0)
        return _PERCENT * max(0.0, low), _PERCENT * min(1.0, high)


class Reviewed(Struct, frozen=True, kw_only=True):
    """The answers of all reviewers together."""

    drawn: int
    reviewers: int
    answered: int  # cards that anybody judged
    agreements: dict[str, int]  # answers
    uses: dict[str, int]
    comments: int
    agreed: Share  # cards that were right, of those about which anybody says yes or no
    useful: Share  # cards that would have helped
    by_rule: dict[str, Share] = field(default_factory=dict)  # agreed, of those that were judged
    kappa: float | None = None  # of two reviewers
    both: int = 0  # cards that both judged


def read_answers(path: Path) -> Answers:
    """Reads a file of answers in JSON or TOML; BacktestError if it is something else."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BacktestError(f"{path}: it cannot be read: {error.strerror}") from None
    try:
        read = msgspec.toml.decode(text, type=Answers) if path.suffix == ".toml" else _json(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BacktestError(f"{path}: this is no file of answers: {error}") from None
    if read.format != FORMAT:
        raise BacktestError(f"{path}: its format is '{read.format}', and not '{FORMAT}'")
    return read


_json = msgspec.json.Decoder(Answers).decode


def reviewed(files: Sequence[Answers], rules: Mapping[str, str], sample: str) -> Reviewed:
    """Returns what all reviewers thought; `rules` has the rule of each card that was drawn.

    BacktestError if answers are about another drawing, because their cards are others.
    """
    if any(one.sample != sample for one in files):
        raise BacktestError(
            "These answers are about another drawing of cards: give those to one form of this run "
            "together, and no others."
        )
    every = [(card, answer) for one in files for card, answer in one.answers.items()]
    given = [(card, answer) for card, answer in every if card in rules and answer.agree]
    sides = [(card, a.agree == "yes") for card, a in given if a.agree in ("yes", "no")]
    helped = [(card, a.use == "useful") for card, a in given if a.use]
    kappa, both = _kappa(files)
    return Reviewed(
        drawn=len(rules),
        reviewers=len(files),
        answered=len({card for card, _ in given}),
        agreements=dict(Counter(str(answer.agree) for _, answer in given)),
        uses=dict(Counter(str(answer.use) for _, answer in given if answer.use)),
        comments=sum(bool(answer.comment.strip()) for _, answer in every),
        agreed=_of_cards(sides),
        useful=_of_cards(helped),
        by_rule=_by_rule(sides, rules),
        kappa=kappa,
        both=both,
    )


def _by_rule(sides: Sequence[tuple[str, bool]], rules: Mapping[str, str]) -> dict[str, Share]:
    """Returns the share of the cards of each rule that were right."""
    of_rule: dict[str, list[tuple[str, bool]]] = {}
    for card, yes in sides:
        of_rule.setdefault(rules[card], []).append((card, yes))
    return {rule: _of_cards(own) for rule, own in sorted(of_rule.items())}


def _of_cards(said: Sequence[tuple[str, bool]]) -> Share:
    """Returns the share of cards, each once, however many reviewers judged it.

    Answers about one card are no two cards: counted apart they would make the interval too narrow.
    """
    found: dict[str, list[bool]] = {}
    for card, yes in said:
        found.setdefault(card, []).append(yes)
    return Share(sum(sum(one) / len(one) for one in found.values()), len(found))


def _kappa(files: Sequence[Answers]) -> tuple[float | None, int]:
    """Returns Cohen's kappa of the first two reviewers, and of how many cards."""
    if len(files) < 2:  # noqa: PLR2004  # agreement needs two
        return None, 0
    one, other = files[0].answers, files[1].answers
    both = [
        (one[card].agree, other[card].agree)
        for card in one.keys() & other.keys()
        if one[card].agree and other[card].agree
    ]
    if not both:
        return None, 0
    same = sum(a == b for a, b in both) / len(both)
    first, second = Counter(a for a, _ in both), Counter(b for _, b in both)
    by_chance = sum(first[word] * second[word] for word in first) / len(both) ** 2
    return ((same - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0), len(both)
