"""The case: one patient at one moment. Each part is worked out when a rule first needs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.wording import doubted_by_lipids, glucose_corrected
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte, ConceptSet, ConceptSets, DrugClass
from cds_service.knowledge.words import Lab
from cds_service.lazy import cached_property
from cds_service.sodium.acute_setting import (
    AcuteSetting,
    acute_setting,
    acute_settings,
    setting_began,
)
from cds_service.sodium.blamed import blamed_lately
from cds_service.sodium.consciousness import Encephalopathy, brain_in_danger, encephalopathy
from cds_service.sodium.correction_rate import RateView, rate_view
from cds_service.sodium.drip_arm import DripSample, drip_sample
from cds_service.sodium.exposure import Exposures, exposures, raising_fluids, running_fluids
from cds_service.sodium.glucose import (
    GlucosePair,
    GlucoseShift,
    Pseudo,
    corrected_sodium,
    glucose_pairs,
    glucose_shift,
    pseudo,
)
from cds_service.sodium.problems import Problems, Symptoms, symptoms
from cds_service.sodium.restriction import Restriction, restriction
from cds_service.sodium.results import (
    Band,
    Readings,
    Sample,
    Series,
    band_edges,
    band_of,
    series_of,
)
from cds_service.sodium.snapshot import LabResult, Missing, Order, Snapshot
from cds_service.sodium.sodium import Fall, SodiumView, fall_since, sodium_view
from cds_service.sodium.spurious import without_spurious
from cds_service.sodium.volume import OdsRisk, VolumeStatus, ods_risk, volume_status
from cds_service.terminology.units import factor, unit_key

ADMINISTRATION = "MedicationAdministration/"


class Case(Struct, frozen=True, kw_only=True, dict=True):
    """What a rule is given. A rule compares with `limits`, never with a number of its own.

    Most sodium is normal, and then nearly every rule stops at its first line. Every part follows
    from the four fields alone, so it does not matter which rule needs it first.
    """

    snapshot: Snapshot
    limits: Limits
    sets: ConceptSets
    labs: Mapping[str, Lab]
    worded: bool = True  # False: cards are counted and not shown, and need no lines and buttons

    # ---- sodium, and what may explain it

    @cached_property
    def series(self) -> Series:
        """The usable sodium results, without what another result of the same tube disproves."""
        return without_spurious(series_of(self.snapshot, self.limits, self.labs), self)

    @cached_property
    def sodium(self) -> SodiumView:
        """The series with band, age and trend; an explained fall is not acute (M3)."""
        view = sodium_view(self.snapshot, self.series, self.limits, self.corrected)
        view = self._since_the_setting(view)
        if view.acute is not None and self._fall_is_explained(view.acute):
            view = replace(view, acute=None)
        if view.regained is not None and self._fall_is_explained(view.regained):
            view = replace(view, regained=None)
        if view.falling is not None and view.acute is None and self.rate.jump is not None:
            return replace(view, falling=None)  # nothing rests on an unconfirmed jump (F44)
        return view

    def _since_the_setting(self, view: SodiumView) -> SodiumView:
        """Returns the view with a fall since before an acute setting, if none of two days is known.

        Near normal it counts beside a symptom that may be brain edema (F51), and not while sodium
        rises.
        """
        latest = view.latest
        if latest is None or not view.low or view.fell_lately:
            return view
        begun = setting_began(self, self.snapshot.now)
        if begun is None:
            return view
        fall = fall_since(view.samples, latest, self.corrected, self.limits, begun)
        if fall is None or self.rate.rule or self.relowered:
            return view
        if fall.risen_again:
            return replace(view, regained=fall)
        value = self.corrected.get(latest, latest.value)
        near_normal = value >= self.limits.near_normal_from
        return view if near_normal and not brain_in_danger(self) else replace(view, acute=fall)

    def _fall_is_explained(self, fall: Fall) -> bool:
        """Whether glucose, an artefact or a planned fall after a fast rise explains it."""
        if self.glucose is not None and self.glucose.explained:
            return True
        if self.pseudo is not None and self.pseudo.explains:
            return True
        episode = self.rate.episode
        return self.relowered and episode is not None and fall.start.at > episode.start.at

    @cached_property
    def relowered(self) -> bool:
        """Whether sodium fell again after an over-correction, which is then the plan (F4)."""
        latest, episode = self.rate.latest, self.rate.episode
        if latest is None or episode is None:
            return False
        since = [s for s in self.series.samples if s.exact and s.at >= episode.end.at]
        highest = max((s.value for s in since), default=latest.value)
        return highest - latest.value >= self.limits.relowered_from

    @cached_property
    def glucose_pairs(self) -> Mapping[Sample, GlucosePair]:
        """The glucose that belongs to each sodium that has one."""
        return glucose_pairs(self.series.samples, self.readings.all(Analyte.GLUCOSE), self.limits)

    @cached_property
    def corrected(self) -> Mapping[Sample, Decimal]:
        """The Katz values of the samples with a glucose high enough to matter (M5)."""
        return corrected_sodium(self.glucose_pairs, self.limits)

    @cached_property
    def glucose(self) -> GlucoseShift | None:
        """What high glucose does to the latest sodium."""
        return glucose_shift(self.series.latest, self.glucose_pairs, self.limits)

    @cached_property
    def pseudo(self) -> Pseudo | None:
        """Why the latest sodium may be an artefact."""
        return pseudo(self)

    @cached_property
    def drip(self) -> DripSample | None:
        """The newest sample, if it seems to be drawn beside an infusion of glucose (F41)."""
        return drip_sample(self)

    @cached_property
    def rate(self) -> RateView:
        """How fast sodium rises."""
        return rate_view(self)

    @property
    def effective_sodium(self) -> Decimal | None:
        """The sodium that bands and plans use, corrected for glucose if that is high (M5)."""
        if self.sodium.latest is None:
            return None
        return self.glucose.katz if self.glucose else self.sodium.latest.value

    @cached_property
    def shown_sodium(self) -> str:
        """The latest sodium as a card writes it; empty without one.

        If high glucose lowers it, but not alone, the corrected value leads (F14).
        """
        latest, shift = self.sodium.latest, self.glucose
        if latest is None:
            return ""
        if shift is not None and not shift.explained:
            return glucose_corrected(shift.katz, latest.shown, band_edges(self.limits))
        by_lipids = self.pseudo is not None and self.pseudo.by_lipids
        return doubted_by_lipids(latest.shown) if by_lipids else latest.shown

    @property
    def doubtful(self) -> bool:
        """Whether the latest sodium is to be repeated before an order rests on it."""
        sodium, latest = self.sodium, self.sodium.latest
        if latest is not None and (latest.below_plausible or latest.status == "preliminary"):
            return True
        contradicted = sodium.other_method is not None or sodium.newest_rejected is not None
        unlikely = self.rate.jump is not None or self.drip is not None
        return contradicted or sodium.unusable is not None or unlikely

    @cached_property
    def normal_times(self) -> tuple[datetime, ...]:
        """When each value that was not low was drawn, oldest first."""
        return tuple([s.at for s in self.sodium.samples if not self.is_low(s)])

    @cached_property
    def first_low(self) -> datetime | None:
        """When the present run of low sodium began."""
        if not self.sodium.low or self.sodium.latest is None:
            return None
        first = self.sodium.latest.at
        for sample in reversed(self.sodium.samples):
            if not self.is_low(sample):
                break
            first = min(first, sample.at)
        return first

    def fallen_since(self, earlier: Sample) -> Decimal:
        """By how much the sodium in use is below an earlier one, both corrected for glucose."""
        now = self.effective_sodium
        before = self.corrected.get(earlier, earlier.value)
        return before - (before if now is None else now)

    def is_low(self, sample: Sample) -> bool:
        """Whether a measured value is low by the profile."""
        return band_of(sample.value, self.limits, sample.comparator) is not Band.NORMAL

    # ---- units

    @cached_property
    def sent_units(self) -> Mapping[str, str]:
        """The unit of the newest result of each analyte that a card can show in it."""
        newest: dict[str, LabResult] = {}
        for result in self.snapshot.labs:
            lab = self.labs.get(result.analyte)
            if lab is None or not lab.shown or result.time is None:
                continue
            before = newest.get(result.analyte)
            if before is None or before.time is None or before.time.at <= result.time.at:
                newest[result.analyte] = result
        units = {analyte: unit_key(result.unit) for analyte, result in newest.items()}
        return {a: unit for a, unit in units.items() if unit in self.labs[a].shown}

    def as_sent(self, analyte: str, value: Decimal) -> str | Decimal:
        """Returns a value with the unit in which the site sends it; else as rules have it (F60)."""
        unit = self.sent_units.get(analyte)
        by = None if unit is None else factor(self.labs[analyte], unit)
        if unit is None or by is None or not value.is_finite():
            return value
        shown = self.labs[analyte].shown[unit]
        places = Decimal(1).scaleb(-shown.decimals)
        written = f"{(value / by).quantize(places, ROUND_HALF_UP):f}"
        plain = written.rstrip("0").rstrip(".") if "." in written else written
        return f"{plain} {shown.unit}"

    # ---- the patient

    @cached_property
    def age_years(self) -> int | None:
        """Whole years on the day of the call; None without a birth date."""
        born, now, zone = self.snapshot.patient.birth_date, self.snapshot.now, self.snapshot.zone
        if born is None:
            return None
        today = now if zone is None else now.astimezone(timezone(zone))
        return today.year - born.year - ((today.month, today.day) < (born.month, born.day))

    @cached_property
    def problems(self) -> Problems:
        """Everything that is recorded."""
        return Problems.of(self.snapshot)

    @cached_property
    def strict_problems(self) -> Problems:
        """The problems that an action may rest on."""
        return Problems.strict(self.snapshot, self.sets.no_overload.names)

    @cached_property
    def readings(self) -> Readings:
        """The usable results beside sodium."""
        return Readings(self.snapshot, self.limits, self.labs)

    @cached_property
    def symptoms(self) -> Symptoms:
        """The symptoms that are recorded now."""
        return symptoms(self)

    @cached_property
    def encephalopathy(self) -> Encephalopathy | None:
        """The symptoms that may be brain edema by low sodium, without severe ones (F1)."""
        return encephalopathy(self)

    @cached_property
    def acute_settings(self) -> tuple[AcuteSetting, ...]:
        """Every situation of the record after which low sodium is acute, at any date (F2)."""
        return acute_settings(self)

    @cached_property
    def acute_setting(self) -> AcuteSetting | None:
        """Why low sodium is likely to be younger than two days; None without a reason (F2)."""
        return acute_setting(self)

    @cached_property
    def volume(self) -> VolumeStatus:
        """The volume status with its evidence."""
        return volume_status(self)

    @cached_property
    def risk(self) -> OdsRisk:
        """Why sodium must rise more slowly in this patient."""
        return ods_risk(self)

    @cached_property
    def pregnant(self) -> bool:
        """Whether a pregnancy is current, and no later outcome has ended it (F20)."""
        sets, problems = self.sets, self.problems
        if not problems.current(sets.pregnancy, self.limits.pregnancy_days):
            return False
        return not problems.is_newer(sets.pregnancy_ended, sets.pregnancy)

    @cached_property
    def dialysis(self) -> bool:
        """Whether dialysis is recorded as active."""
        return bool(self.problems.active(self.sets.dialysis))

    @cached_property
    def replaces_hormone(self) -> bool:
        """Whether desmopressin is taken for central diabetes insipidus, and the urine shows it."""
        taken = any(
            drug.cls == DrugClass.DESMOPRESSIN and self.is_active(order)
            for order in self.listed
            for drug in order.drugs
        )
        if not taken or not self.problems.active(self.sets.insipidus):
            return False
        urine = self.readings.latest(Analyte.URINE_OSMOLALITY, self.limits.dilute_urine_days)
        return urine is None or not urine.below(self.limits.dilute_urine_below)

    @cached_property
    def comfort_care(self) -> bool:
        """Whether comfort care is recorded, flagged or ordered as active.

        In words it counts only beside a code that confirms it, because it silences cards (F30).
        """
        sets = self.sets
        if self._is_told(sets.comfort_care):
            return True
        # Every patient is checked, and sorting the problems of most of them would be for nothing.
        if not self._mentions(sets.comfort_confirmed):
            return False
        confirmed = self.strict_problems.active(sets.comfort_confirmed)
        return bool(confirmed) and self._is_told(sets.comfort_words)

    def _is_told(self, wanted: ConceptSet) -> bool:
        """Whether an active problem, a flag, or an active order that is no medicine says so."""
        if self._mentions(wanted) and self.strict_problems.active(wanted):
            return True
        if wanted.among(self.snapshot.flags):
            return True
        if self.snapshot.missing.get("ServiceRequest") is Missing.NOT_READ:
            return False  # orders are read late, and most patients' never
        return any(
            order.intent in self.sets.given_intents and self.is_active(order)
            for order in self.snapshot.exposures
            if wanted.among(order.about)
        )

    def _mentions(self, wanted: ConceptSet) -> bool:
        """Whether any of these problems is in the record at all, active or not."""
        names = wanted.names
        if not self.snapshot.encounter_reasons.isdisjoint(names):
            return True
        return any(not problem.concepts.isdisjoint(names) for problem in self.snapshot.problems)

    # ---- medicines and fluid

    @cached_property
    def listed(self) -> tuple[Order, ...]:
        """Systemic medication that is or was really taken: no proposals, no cancelled orders.

        An order without a drug of ours is left out.
        """
        given = self.sets.active_statuses.names | self.sets.stopped_statuses.names
        intents = self.sets.given_intents.names
        return tuple(
            order
            for order in self.snapshot.exposures
            if order.drugs
            and order.kind == "medication"
            and order.route != "local"
            and order.status in given
            and order.intent in intents
        )

    def is_active(self, order: Order) -> bool:
        """Whether an order of the medication list is taken now."""
        now, limits = self.snapshot.now, self.limits
        if order.reference.startswith(ADMINISTRATION):
            begun = order.begun
            return begun is not None and now - begun <= limits.administration_hours
        if order.status not in self.sets.active_statuses:
            return False
        return order.end is None or now - order.end <= limits.order_end_grace_days

    @cached_property
    def running_fluids(self) -> tuple[Order, ...]:
        """The infusions that are not isotonic and run now (F28)."""
        return running_fluids(self)

    @cached_property
    def raising_fluids(self) -> tuple[Order, ...]:
        """The isotonic infusions that run now, which add sodium in a rise (F22)."""
        return raising_fluids(self)

    @property
    def medicines_known(self) -> bool:
        """Whether it is known of each current medicine what it is."""
        if not self.snapshot.complete_alone("medications"):
            return False
        if not self.snapshot.named.nameless:
            return True
        nameless = (o for o in self.snapshot.exposures if o.unidentified or o.unread)
        return not any(map(self.is_active, nameless))

    @cached_property
    def exposures(self) -> Exposures:
        """The drugs that the patient takes, and how likely each is the cause."""
        return exposures(self)

    @cached_property
    def blamed(self) -> frozenset[str]:
        """The drug classes that a clinician lately blamed for low sodium (F24)."""
        return blamed_lately(self)

    @cached_property
    def restriction(self) -> Restriction:
        """Whether fluid restriction may be offered."""
        return restriction(self)


def assess(
    snapshot: Snapshot,
    limits: Limits,
    sets: ConceptSets,
    labs: Mapping[str, Lab],
    *,
    worded: bool = True,
) -> Case:
    """Returns the case of a snapshot. It is pure, and no part of it raises on any snapshot."""
    return Case(snapshot=snapshot, limits=limits, sets=sets, labs=labs, worded=worded)
