"""What a backtest is asked, as plain data: every process, here or in a cluster, builds it anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cds_service.backtest.judge import Task
from cds_service.backtest.moments import Wanted
from cds_service.backtest.rows import Knowledge
from cds_service.backtest.sift import Sifter
from cds_service.engine.cards import CardSettings
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.pipeline import Options, Pipeline
from cds_service.records.client import FhirClient
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.trust.client import NO_CREDENTIALS, Client

# No card is written, so that nothing of these settings shows anywhere.
_SETTINGS = CardSettings(
    base_url="http://127.0.0.1",
    terminology_base="http://127.0.0.1/fhir",
    secret=b"no card is written",
)


class Recipe(Struct, frozen=True, kw_only=True):
    """Which knowledge judges which moments, for which client."""

    wanted: Wanted = Wanted(results=True)
    profiles: tuple[str, ...] = PROFILES
    client: Client = Client()
    hooks: Path | None = None  # None: the folder that is installed
    against: Path | None = None  # the old knowledge, to compare with
    local_codes: Path | None = None
    rxnorm_index: Path | None = None
    quiet_days: float = 0
    suppression: bool = False
    every: bool = False
    until: datetime | None = None  # when the export was made

    @property
    def clients(self) -> tuple[Client, ...]:
        """Returns the client under each profile, without how it proves who it is."""
        client = replace(self.client, credentials=NO_CREDENTIALS)
        return tuple(replace(client, profile=one) for one in dict.fromkeys(self.profiles))

    @property
    def codes(self) -> str:
        """Returns a hash of the site's own codes and of its RxNorm index; "" without them."""
        files = (self.local_codes, self.rxnorm_index)
        return "".join(file_hash(path) for path in files if path is not None)

    def loaded(self) -> Knowing:
        """Returns what judges: it takes a second to build, and holds nothing of a patient."""
        pipelines: dict[Knowledge, Pipeline] = {"new": self._pipeline(self.hooks)}
        if self.against is not None:
            pipelines["old"] = self._pipeline(self.against)
        return Knowing(recipe=self, pipelines=pipelines)

    def _pipeline(self, hooks: Path | None) -> Pipeline:
        knowledge = load_knowledge(hooks or default_hooks_dir())
        site = site_codes(knowledge.terms, self.rxnorm_index, self.local_codes)
        options = Options(local_codes=site.local)
        return Pipeline(asking_for(knowledge, site), _SETTINGS, FhirClient(), options)


class Knowing(Struct, frozen=True, kw_only=True):
    """A recipe with its knowledge loaded."""

    recipe: Recipe
    pipelines: Mapping[Knowledge, Pipeline]

    def hash(self, knowledge: Knowledge) -> str:
        """Returns the hash of a version of the knowledge; "" if it is not judged."""
        one = self.pipelines.get(knowledge)
        return one.knowledge.sha256 if one is not None else ""

    def sifter(self) -> Sifter:
        """Returns what sorts lines; it learns codes, so that a process keeps its own."""
        known = [(one.vocabulary, one.knowledge.terms.labs) for one in self.pipelines.values()]
        return Sifter(*known[0], *known[1:])

    def task(self, secret: bytes) -> Task:
        """Returns what is judged; `secret` is behind the hashes of patients."""
        recipe = self.recipe
        return Task(
            pipelines=self.pipelines,
            clients=recipe.clients,
            wanted=recipe.wanted,
            names=Pseudonyms(secret),
            every=recipe.every,
            quiet=timedelta(days=recipe.quiet_days),
            suppression=recipe.suppression,
            until=recipe.until,
        )


def file_hash(path: Path) -> str:
    """Returns a short hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
