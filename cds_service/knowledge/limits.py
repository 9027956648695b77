"""Every number a rule may compare with: one field per table of thresholds.toml, by profile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from msgspec import Struct

from cds_service.errors import KnowledgeError
from cds_service.knowledge.words import Evidence

PROFILES = ("aasld", "european")
# A threshold of one of these units becomes a timedelta, so that a rule compares times with times.
TIMES: Mapping[str, timedelta] = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


class Unit(Struct, frozen=True, forbid_unknown_fields=True):
    """One unit of units.toml; a number outside of `least` and `most` is taken for a slip."""

    least: Decimal
    most: Decimal
    means: str


class Cited(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One number with its source."""

    value: Decimal
    source: str  # a key of citations.toml
    where: str  # where in the source to look
    evidence: Evidence
    why: str


class Threshold(Cited, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One number with its unit and source; `profiles` holds what differs from `value`."""

    unit: str  # a key of units.toml
    least: Decimal | None = None  # None: that of the unit
    most: Decimal | None = None
    profiles: dict[str, Cited] = {}

    def cited_under(self, profile: str) -> Cited:
        """Returns the number that this profile uses, with its source."""
        return self.profiles.get(profile, self)

    def under(self, profile: str) -> Decimal:
        """Returns the number that this profile uses."""
        return self.cited_under(profile).value

    def limit_under(self, profile: str) -> Decimal | timedelta:
        """Returns the number that this profile uses, as a timedelta if it is a time."""
        number = self.under(profile)
        unit = TIMES.get(self.unit)
        return number if unit is None else float(number) * unit


class Limits(Struct, frozen=True, kw_only=True):
    """The numbers of one profile; each number with a unit of time is a timedelta."""

    profile: str
    # Severity bands (A.3). A result between two whole numbers belongs to the more severe band.
    severe_below: Decimal
    moderate_below: Decimal
    mild_below: Decimal  # whether the number itself is low says mild_includes
    mild_includes: Decimal  # 1: yes ("<= 135"); 0: no ("< 135")
    # Which results are usable (B.0.1, S2, S3).
    plausible_from: Decimal
    plausible_to: Decimal
    implausible_below: Decimal
    preliminary_hours: timedelta
    future_minutes: timedelta
    same_sample_minutes: timedelta
    lookback_days: timedelta
    lab_wins_minutes: timedelta
    methods_apart_from: Decimal
    # Age of a result (B.0.2, M17).
    current_inpatient_hours: timedelta
    current_outpatient_days: timedelta
    stale_inpatient_hours: timedelta
    stale_outpatient_days: timedelta
    unrepeated_below: Decimal
    unrepeated_inpatient_days: timedelta
    unrepeated_outpatient_days: timedelta
    unrepeated_stale_days: timedelta
    # Trend of the series (B.0.8 "Falling", B.5 rule 6, M3, S18).
    falling_step_from: Decimal  # F33
    glucose_leads_from: Decimal  # F14
    steep_fall_from: Decimal  # F27
    steep_fall_hours: timedelta  # F27
    falling_recent_from: Decimal
    falling_recent_hours: timedelta
    falling_long_from: Decimal
    falling_long_days: timedelta
    falling_newest_to: Decimal
    acute_fall_from: Decimal
    acute_fall_hours: timedelta
    acute_fall_start_to: Decimal
    acute_after_hypernatremia_below: Decimal
    acute_setting_hours: timedelta
    acute_setting_before_days: timedelta
    acute_irrigation_hours: timedelta
    stable_values: Decimal
    stable_days: timedelta
    stable_range: Decimal
    # Stable chronic low sodium (F21, F46).
    stable_gap_days: timedelta
    sparse_gap_days: timedelta  # F21
    sparse_values: Decimal  # F21
    stable_lowest_days: timedelta
    stable_higher_from: Decimal
    stable_higher_days: timedelta
    stable_quiet_from: Decimal
    long_known_from: Decimal
    long_known_days: timedelta
    # Near normal (F51).
    near_normal_from: Decimal
    near_normal_fall_from: Decimal
    near_normal_fall_hours: timedelta
    near_normal_drug_days: timedelta
    near_normal_event_days: timedelta
    near_normal_again_days: timedelta
    trend_arrow_from: Decimal
    # Correction rate (B.0.8, M10).
    rate_limit_day: Decimal
    rate_limit_first_day: Decimal
    rate_limit_first_day_risk: Decimal
    rate_limit_two_days: Decimal
    rate_limit_two_days_risk: Decimal
    rate_goal: Decimal
    rate_near_from: Decimal
    rate_steep_hours: timedelta
    rate_danger_base_below: Decimal
    rate_contested_base_from: Decimal  # F34
    rate_contested_margin: Decimal  # F34
    rate_normal_above: Decimal
    rate_ignored_base_from: Decimal
    rate_recovered_base_from: Decimal
    rate_window_hours: timedelta
    rate_long_window_hours: timedelta
    rate_bridge_hours: timedelta
    rate_average_hours: timedelta
    rate_estimated_hours: timedelta
    rate_now_hours: timedelta
    rate_earlier_hours: timedelta
    rate_was_hours: timedelta
    rate_remembered_days: timedelta  # F4
    demyelination_signs_hours: timedelta  # F4
    demyelination_relower_hours: timedelta  # F4
    relowered_from: Decimal  # F4
    rate_methods_margin: Decimal
    rate_least_minutes: timedelta
    rate_slack_minutes: timedelta
    acute_normal_from: Decimal
    acute_onset_hours: timedelta
    acute_clean_days: timedelta
    episode_gap_days: timedelta
    jump_above: Decimal
    jump_hours: timedelta
    jump_day_above: Decimal
    jump_day_hours: timedelta
    jump_lone_above: Decimal
    jump_lone_hours: timedelta
    jump_agree_within: Decimal
    jump_confirm_hours: timedelta
    # Glucose shift and pseudohyponatremia (B.0.3, M5, M6, M10 c).
    glucose_shift_from: Decimal
    glucose_reference: Decimal
    katz_factor: Decimal
    hillier_factor: Decimal
    hillier_above: Decimal
    glucose_pair_minutes: timedelta
    glucose_loose_hours: timedelta
    glucose_fall_from: Decimal
    glucose_neighbor_hours: timedelta
    glucose_spike_ratio: Decimal
    glucose_spike_hours: timedelta
    drip_glucose_rise_from: Decimal
    drip_diluted_to: Decimal
    drip_before_hours: timedelta
    drip_plain_to: Decimal
    drip_plain_values: Decimal
    drip_plain_hours: timedelta
    glucose_spike_above: Decimal
    glucose_spike_neighbors_below: Decimal
    glucose_crisis_from: Decimal
    pseudo_osmolality_from: Decimal
    pseudo_osmolality_hours: timedelta
    osmolality_near_hours: timedelta
    hypertonic_from: Decimal
    osmolal_gap_above: Decimal
    water_shift_hours: timedelta
    water_shift_slow_days: timedelta
    water_shift_osmolality_hours: timedelta
    water_shift_fall_to: Decimal
    bun_per_osmole: Decimal
    glucose_per_osmole: Decimal
    ethanol_per_osmole: Decimal
    direct_ise_from: Decimal
    methods_osmolality_hours: timedelta
    methods_apart_days: timedelta
    cytotoxic_after_days: timedelta
    pseudo_hint_hours: timedelta
    triglyceride_from: Decimal
    protein_from: Decimal
    protein_low_below: Decimal  # F12
    albumin_low_below: Decimal  # F12
    # Cards of patient-view: which band card, and how strongly (B.1, M2, M3, S4, S5, M15).
    adult_years: Decimal
    acute_critical_below: Decimal
    bolus_below: Decimal
    brain_edema_critical_below: Decimal
    mild_workup_below: Decimal
    low_again_hours: timedelta
    pregnancy_mild_below: Decimal
    new_drug_days: timedelta
    rising_from: Decimal
    restriction_pace_to: Decimal
    repeat_least_hours: timedelta
    rising_to: Decimal
    rising_fresh_hours: timedelta
    # Plan (B.2, M14, B.4).
    stop_diuretics_below: Decimal
    thiazide_hold_below: Decimal  # F18
    workup_inpatient_hours: timedelta
    workup_outpatient_days: timedelta
    osmolality_recent_days: timedelta
    cramp_labs_inpatient_days: timedelta
    cramp_labs_outpatient_days: timedelta
    baclofen_start_mg: Decimal
    baclofen_step_mg: Decimal
    baclofen_max_mg: Decimal
    baclofen_egfr_from: Decimal
    baclofen_egfr_avoid_below: Decimal
    baclofen_egfr_days: timedelta
    baclofen_sodium_from: Decimal
    urea_egfr_below: Decimal
    urea_bun_above: Decimal
    # Repeats (MON, S6, M10 e).
    repeat_over_hours: timedelta
    repeat_near_hours: timedelta
    repeat_crisis_hours: timedelta  # F14
    repeat_daily_hours: timedelta
    repeat_symptom_days: timedelta
    repeat_silent_days: timedelta
    repeat_low_days: timedelta
    repeat_low_below: Decimal
    # Discharge (DISCHARGE).
    discharge_low_below: Decimal
    discharge_home_from: Decimal
    discharge_fall_from: Decimal
    discharge_falling_from: Decimal
    discharge_falling_hours: timedelta
    discharge_repeat_days: timedelta
    discharge_off_hours: timedelta
    taper_from_days: timedelta
    carried_over_hours: timedelta
    discharge_steady_hours: timedelta
    discharge_steady_within: Decimal
    # Sodium check after starting a drug (PV-DRUGCHK).
    drugcheck_age_years: Decimal
    drugcheck_started_days: timedelta
    drugcheck_sodium_days: timedelta
    # Symptoms (B.0.4, M1, M2, M4, S15).
    severe_symptom_hours: timedelta
    symptom_days: timedelta
    cramp_days: timedelta
    fall_days: timedelta
    icp_days: timedelta
    gcs_coma_to: Decimal
    gcs_impaired_to: Decimal
    gcs_critical_to: Decimal
    encephalopathy_below: Decimal
    encephalopathy_setting_below: Decimal
    encephalopathy_critical_below: Decimal
    encephalopathy_gcs_hours: timedelta
    sedation_hours: timedelta
    severe_attributable_below: Decimal
    severe_attributable_higher_below: Decimal
    vomiting_severe_below: Decimal
    falls_age_years: Decimal
    # Volume status (B.0.5, M8).
    hypovolemia_days: timedelta
    overload_days: timedelta
    overload_recent_days: timedelta
    brain_injury_days: timedelta
    pituitary_days: timedelta
    pituitary_nadir_days: timedelta
    siadh_days: timedelta
    urine_labs_hours: timedelta
    urine_pair_hours: timedelta
    diuretic_washout_hours: timedelta
    urine_sodium_from: Decimal
    urine_osmolality_above: Decimal
    bun_creatinine_above: Decimal
    bun_high_from: Decimal
    bun_creatinine_pair_hours: timedelta
    urate_low_below: Decimal
    # Risk of osmotic demyelination (B.0.6).
    demyelination_potassium_below: Decimal
    raise_potassium_needed_below: Decimal  # F22
    raise_counts_below: Decimal  # F22
    raise_potassium_mg_from: Decimal  # F22
    raise_potassium_enough_from: Decimal  # F22
    raise_potassium_high_above: Decimal  # F22
    raise_potassium_critical_from: Decimal  # F22
    raise_potassium_hours: timedelta  # F22
    dialysis_potassium_from: Decimal  # F26
    dialysis_sodium_below: Decimal  # F26
    demyelination_potassium_hours: timedelta
    demyelination_hypokalemia_days: timedelta
    demyelination_bmi_below: Decimal
    demyelination_bmi_days: timedelta
    demyelination_sodium_to: Decimal
    demyelination_episode_days: timedelta
    # Drug exposure (B.0.7).
    order_end_grace_days: timedelta
    order_chain_days: timedelta
    administration_hours: timedelta
    stop_unknown_days: timedelta
    harm_near_days: timedelta
    earlier_low_below: Decimal
    rechallenge_below: Decimal
    earlier_low_days: timedelta
    stopped_days: timedelta
    running_fluid_days: timedelta
    weak_start_days: timedelta
    probable_start_days: timedelta
    normal_before_days: timedelta
    recent_start_days: timedelta
    acquit_before_days: timedelta
    attribution_fall_from: Decimal
    suspects_to: Decimal
    weak_suspects_below: Decimal
    weak_suspects_included: Decimal
    # Fluid restriction (B.2, M5, M8, M9, S4, N4) and pregnancy (M15).
    fluid_ml_day: Decimal
    restriction_inpatient_hours: timedelta
    restriction_mild_days: timedelta
    restriction_moderate_hours: timedelta
    restriction_euvolemic_below: Decimal
    restriction_near_normal_from: Decimal
    red_flag_inpatient_hours: timedelta
    red_flag_outpatient_days: timedelta
    systolic_below: Decimal
    systolic_shock_below: Decimal
    systolic_severe_from: Decimal  # S9
    systolic_cirrhosis_below: Decimal
    heart_rate_above: Decimal
    vital_readings: Decimal
    creatinine_rise_from: Decimal
    creatinine_rise_hours: timedelta
    creatinine_ratio_from: Decimal
    creatinine_baseline_days: timedelta
    weight_loss_from: Decimal
    weight_loss_days: timedelta
    # Weak signs of lost volume, of which several count together (M9), and a weight that rises (M8).
    weak_signs_from: Decimal
    weight_days: timedelta
    weight_fall_from: Decimal
    weight_up_from: Decimal
    weight_overload_from: Decimal
    heart_rate_weak_above: Decimal
    pressure_fall_from: Decimal
    pressure_fallen_to: Decimal
    pressure_baseline_days: timedelta
    creatinine_weak_ratio_from: Decimal
    urea_ratio_from: Decimal
    kidney_weak_days: timedelta
    isotonic_ml_from: Decimal
    carrier_warning_ml_from: Decimal  # F23
    nutrition_sodium_from: Decimal  # F28
    nutrition_enough_from: Decimal  # F28
    restriction_glucose_from: Decimal
    restriction_glucose_hours: timedelta
    dilute_urine_below: Decimal
    siadh_potassium_below: Decimal  # M8
    shedding_sodium_below: Decimal  # F27
    polydipsia_urine_below: Decimal  # F27
    shedding_urine_below: Decimal  # F27
    shedding_urine_hours: timedelta  # F27
    rising_urine_below: Decimal  # F27
    dilute_urine_days: timedelta
    insufficient_osmolality_above: Decimal
    insufficient_ratio_above: Decimal
    vaptan_hours: timedelta
    postpartum_days: timedelta
    # What was measured is told (F26).
    tsh_told_above: Decimal
    tsh_told_days: timedelta
    potassium_told_below: Decimal
    thiazide_potassium_below: Decimal
    creatinine_told_above: Decimal
    demeclocycline_egfr_below: Decimal
    egfr_told_below: Decimal
    calcium_told_above: Decimal
    calcium_told_below: Decimal
    measured_days: timedelta
    lithium_toxic_from: Decimal  # F6
    # Adrenal failure in results or medicines (F5), and where volume is the treatment (F6).
    adrenal_cortisol_below: Decimal
    adrenal_cortisol_days: timedelta
    adrenal_cortisol_excludes_from: Decimal
    adrenal_cortisol_excludes_days: timedelta
    adrenal_potassium_above: Decimal
    adrenal_potassium_hours: timedelta
    adrenal_pattern_potassium_from: Decimal
    adrenal_checkpoint_days: timedelta
    adrenal_blocker_days: timedelta
    medroxyprogesterone_high_mg: Decimal
    adrenal_slow_blocker_days: timedelta
    adrenal_steroid_course_days: timedelta
    adrenal_steroid_renewed_days: timedelta
    adrenal_steroid_order_days: timedelta
    adrenal_steroid_ended_days: timedelta
    volume_drug_hours: timedelta
    methotrexate_high_mg: Decimal
    calcium_high_from: Decimal
    calcium_high_days: timedelta
    albumin_usual: Decimal
    calcium_per_albumin: Decimal
    volume_illness_days: timedelta
    acute_volume_illness_days: timedelta
    pregnancy_days: timedelta
    # Selected orders (B.3, M4, M12, M13, S11 to S17).
    hypertonic_sodium_hours: timedelta
    old_sodium_outpatient_days: timedelta
    vaptan_sodium_hours: timedelta
    raising_case_hours: timedelta
    raising_recheck_hours: timedelta
    saline_kept_days: timedelta
    hypertonic_supported_below: Decimal
    raise_warning_from: Decimal
    raise_warning_risk_from: Decimal
    bolus_percent: Decimal
    additive_percent_from: Decimal
    bolus_same_percent_from: Decimal
    bolus_ml: Decimal
    bolus_large_ml: Decimal
    bolus_small_kg_below: Decimal
    bolus_ml_per_kg: Decimal
    ordered_boluses_above: Decimal
    sodium_load_mmol_from: Decimal
    drip_hours_above: timedelta
    osmole_expected_from: Decimal
    sodium_per_percent: Decimal
    body_water_ratio: Decimal
    body_water_ratio_men: Decimal
    body_water_men_below_years: Decimal
    body_weight_assumed_kg: Decimal
    body_weight_days: timedelta
    vaptan_recheck_hours: timedelta
    vaptan_danger_below: Decimal
    vaptan_potassium_above: Decimal
    vaptan_potassium_hours: timedelta
    tolvaptan_start_mg: Decimal
    tolvaptan_low_start_mg: Decimal
    tolvaptan_days_max: timedelta
    conivaptan_days_max: timedelta
    isotonic_osmolality_above: Decimal
    isotonic_saline_osmolality: Decimal
    clamp_rise_from: Decimal
    free_water_sodium_above: Decimal
    clamp_saline_hours: timedelta
    clamp_sodium_below: Decimal
    low_glucose_below: Decimal
    low_glucose_hours: timedelta
    low_glucose_memory_hours: timedelta
    low_glucose_code_hours: timedelta
    lowering_critical_below: Decimal
    lowering_warning_below: Decimal
    lowering_b_warning_below: Decimal
    lowering_age_years: Decimal
    refill_after_days: timedelta
    refill_sodium_below: Decimal
    drug_recheck_days: timedelta
    ward_recheck_hours: timedelta
    labor_repeat_hours: timedelta
    ward_morning_hours: timedelta
    lowering_loop_below: Decimal
    combination_warning_to: Decimal
    combination_sodium_days: timedelta
    baseline_outpatient_days: timedelta
    baseline_inpatient_days: timedelta
    desmopressin_egfr_below: Decimal
    desmopressin_critical_below: Decimal
    desmopressin_bleeding_critical_below: Decimal  # M13
    desmopressin_acts_hours: timedelta  # F25
    # Alert fatigue (B.5 rule 5).
    suppression_inpatient_hours: timedelta
    suppression_outpatient_days: timedelta
    suppression_release_fall: Decimal
    suppression_shared_minutes: timedelta
    suppression_team_hours: timedelta
    suppression_repeat_hours: timedelta


def limits_of(profile: str, thresholds: dict[str, Threshold]) -> Limits:
    """Returns the numbers of one profile; each table needs its field, and each field its table."""
    if profile not in PROFILES:
        raise KnowledgeError(f"unknown profile '{profile}': use one of {', '.join(PROFILES)}")
    wanted = set(Limits.__struct_fields__) - {"profile"}
    for name in sorted(wanted ^ set(thresholds)):
        known = "has no table" if name in wanted else "is no threshold of this service"
        raise KnowledgeError(f"knowledge/thresholds.toml: '{name}' {known}")
    numbers: dict[str, Any] = {name: t.limit_under(profile) for name, t in thresholds.items()}
    return Limits(profile=profile, **numbers)


class NotingLimits:
    """Limits that note which of their numbers were read, for the review of a rule."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.names: set[str] = set()

    @property
    def limits(self) -> Limits:
        """These limits, for what takes Limits: it reads them by name only."""
        return cast("Limits", self)

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._limits, name)
