"""Every number a rule may compare with: one field per table of thresholds.toml, by profile."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import fields

from cds_service.errors import KnowledgeError
from cds_service.knowledge.words import Evidence

PROFILES = ("aasld", "european")


class Threshold(Struct, frozen=True, forbid_unknown_fields=True):
    """One number with its unit and source; `profiles` holds what differs from `value`."""

    value: Decimal
    unit: str
    source: str  # a key of citations.toml
    where: str  # where in the source to look
    evidence: Evidence
    why: str
    profiles: dict[str, Decimal] = {}

    def under(self, profile: str) -> Decimal:
        """The number that this profile uses."""
        return self.profiles.get(profile, self.value)


class Limits(Struct, frozen=True, kw_only=True):
    """The numbers of one profile; times in the unit that the field's name ends with."""

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
    preliminary_hours: Decimal
    future_minutes: Decimal
    same_sample_minutes: Decimal
    lookback_days: Decimal
    lab_wins_minutes: Decimal
    methods_agree_within: Decimal
    # Age of a result (B.0.2, M17).
    current_inpatient_hours: Decimal
    current_outpatient_days: Decimal
    stale_inpatient_hours: Decimal
    stale_outpatient_days: Decimal
    unrepeated_below: Decimal
    unrepeated_inpatient_days: Decimal
    unrepeated_outpatient_days: Decimal
    unrepeated_stale_days: Decimal
    # Trend of the series (B.0.8 "Falling", B.5 rule 6, M3, S18).
    falling_recent_from: Decimal
    falling_recent_hours: Decimal
    falling_long_from: Decimal
    falling_long_days: Decimal
    falling_newest_to: Decimal
    acute_fall_from: Decimal
    acute_fall_hours: Decimal
    stable_values: Decimal
    stable_days: Decimal
    stable_range: Decimal
    trend_arrow_from: Decimal
    # Correction rate (B.0.8, M10).
    rate_limit_day: Decimal
    rate_limit_first_day: Decimal
    rate_limit_two_days: Decimal
    rate_goal: Decimal
    rate_near_from: Decimal
    rate_steep_hours: Decimal
    rate_danger_base_below: Decimal
    rate_normal_above: Decimal
    rate_recovered_base_from: Decimal
    rate_window_hours: Decimal
    rate_long_window_hours: Decimal
    rate_bridge_hours: Decimal
    rate_average_hours: Decimal
    rate_estimated_hours: Decimal
    rate_now_hours: Decimal
    rate_earlier_hours: Decimal
    rate_was_hours: Decimal
    rate_methods_margin: Decimal
    acute_normal_from: Decimal
    acute_onset_hours: Decimal
    acute_clean_days: Decimal
    episode_gap_days: Decimal
    jump_above: Decimal
    jump_hours: Decimal
    jump_day_above: Decimal
    jump_day_hours: Decimal
    jump_lone_above: Decimal
    jump_lone_hours: Decimal
    jump_agree_within: Decimal
    jump_confirm_hours: Decimal
    # Glucose shift and pseudohyponatremia (B.0.3, M5, M6, M10 c).
    glucose_shift_from: Decimal
    glucose_reference: Decimal
    katz_factor: Decimal
    hillier_factor: Decimal
    hillier_above: Decimal
    glucose_pair_minutes: Decimal
    glucose_loose_hours: Decimal
    glucose_fall_from: Decimal
    pseudo_osmolality_from: Decimal
    pseudo_osmolality_hours: Decimal
    bun_per_osmole: Decimal
    ethanol_per_osmole: Decimal
    direct_ise_from: Decimal
    direct_ise_minutes: Decimal
    pseudo_hint_hours: Decimal
    triglyceride_from: Decimal
    protein_from: Decimal
    # Cards of patient-view: which band card, and how strongly (B.1, M2, M3, S4, S5, M15).
    adult_years: Decimal
    acute_critical_below: Decimal
    brain_edema_critical_below: Decimal
    mild_workup_below: Decimal
    low_again_hours: Decimal
    pregnancy_mild_below: Decimal
    new_drug_days: Decimal
    rising_from: Decimal
    rising_to: Decimal
    rising_fresh_hours: Decimal
    # Plan (B.2, M14, B.4).
    stop_diuretics_below: Decimal
    workup_inpatient_hours: Decimal
    workup_outpatient_days: Decimal
    osmolality_recent_days: Decimal
    cramp_labs_inpatient_days: Decimal
    cramp_labs_outpatient_days: Decimal
    baclofen_start_mg: Decimal
    baclofen_step_mg: Decimal
    baclofen_max_mg: Decimal
    baclofen_egfr_from: Decimal
    baclofen_egfr_avoid_below: Decimal
    baclofen_egfr_days: Decimal
    baclofen_sodium_from: Decimal
    # Repeats (MON, S6, M10 e).
    repeat_over_hours: Decimal
    repeat_near_hours: Decimal
    repeat_daily_hours: Decimal
    repeat_symptom_days: Decimal
    repeat_silent_days: Decimal
    # Sodium check after starting a drug (PV-DRUGCHK).
    drugcheck_age_years: Decimal
    drugcheck_started_days: Decimal
    drugcheck_sodium_days: Decimal
    # Symptoms (B.0.4, M1, M2, M4, S15).
    severe_symptom_hours: Decimal
    symptom_days: Decimal
    cramp_days: Decimal
    fall_days: Decimal
    icp_days: Decimal
    gcs_coma_to: Decimal
    gcs_impaired_to: Decimal
    severe_attributable_below: Decimal
    severe_attributable_higher_below: Decimal
    vomiting_severe_below: Decimal
    falls_age_years: Decimal
    # Volume status (B.0.5, M8).
    site_volume_hours: Decimal
    hypovolemia_days: Decimal
    overload_days: Decimal
    overload_recent_days: Decimal
    brain_injury_days: Decimal
    siadh_days: Decimal
    urine_labs_hours: Decimal
    urine_pair_hours: Decimal
    diuretic_washout_hours: Decimal
    urine_sodium_from: Decimal
    urine_osmolality_above: Decimal
    bun_creatinine_above: Decimal
    bun_creatinine_pair_hours: Decimal
    urate_low_below: Decimal
    # Risk of osmotic demyelination (B.0.6).
    demyelination_potassium_below: Decimal
    demyelination_potassium_hours: Decimal
    demyelination_hypokalemia_days: Decimal
    demyelination_bmi_below: Decimal
    demyelination_bmi_days: Decimal
    demyelination_sodium_to: Decimal
    demyelination_episode_days: Decimal
    # Drug exposure (B.0.7).
    order_end_grace_days: Decimal
    order_chain_days: Decimal
    administration_hours: Decimal
    stop_unknown_days: Decimal
    probable_start_days: Decimal
    normal_before_days: Decimal
    recent_start_days: Decimal
    unlikely_before_days: Decimal
    suspects_to: Decimal
    weak_suspects_below: Decimal
    weak_suspects_included: Decimal
    # Fluid restriction (B.2, M5, M8, M9, S4, N4) and pregnancy (M15).
    fluid_ml_day: Decimal
    restriction_inpatient_hours: Decimal
    restriction_mild_days: Decimal
    restriction_moderate_hours: Decimal
    restriction_euvolemic_below: Decimal
    restriction_near_normal_from: Decimal
    red_flag_inpatient_hours: Decimal
    red_flag_outpatient_days: Decimal
    systolic_below: Decimal
    systolic_cirrhosis_below: Decimal
    heart_rate_above: Decimal
    creatinine_rise_from: Decimal
    creatinine_rise_hours: Decimal
    creatinine_ratio_from: Decimal
    creatinine_baseline_days: Decimal
    weight_loss_from: Decimal
    weight_loss_days: Decimal
    isotonic_ml_from: Decimal
    restriction_glucose_from: Decimal
    restriction_glucose_hours: Decimal
    dilute_urine_below: Decimal
    dilute_urine_days: Decimal
    insufficient_osmolality_above: Decimal
    insufficient_ratio_above: Decimal
    vaptan_hours: Decimal
    pregnancy_days: Decimal
    # Selected orders (B.3, M4, M12, M13, S11 to S17).
    hypertonic_sodium_hours: Decimal
    vaptan_sodium_hours: Decimal
    raising_case_hours: Decimal
    raising_recheck_hours: Decimal
    raise_warning_from: Decimal
    raise_warning_risk_from: Decimal
    bolus_percent: Decimal
    vaptan_recheck_hours: Decimal
    tolvaptan_days_max: Decimal
    conivaptan_days_max: Decimal
    isotonic_osmolality_above: Decimal
    clamp_rise_from: Decimal
    clamp_saline_hours: Decimal
    low_glucose_below: Decimal
    low_glucose_hours: Decimal
    lowering_critical_below: Decimal
    lowering_warning_below: Decimal
    lowering_b_warning_below: Decimal
    lowering_age_years: Decimal
    refill_after_days: Decimal
    refill_sodium_below: Decimal
    drug_recheck_days: Decimal
    combination_warning_to: Decimal
    combination_sodium_days: Decimal
    baseline_outpatient_days: Decimal
    baseline_inpatient_days: Decimal
    desmopressin_critical_below: Decimal
    # Alert fatigue (B.5 rule 5).
    suppression_inpatient_hours: Decimal
    suppression_outpatient_days: Decimal
    suppression_release_fall: Decimal
    suppression_shared_minutes: Decimal


def limits_of(profile: str, thresholds: dict[str, Threshold]) -> Limits:
    """The numbers of one profile; a table without a field, or a field without a table, is an error."""
    if profile not in PROFILES:
        raise KnowledgeError(f"unknown profile '{profile}': use one of {', '.join(PROFILES)}")
    wanted = {f.name for f in fields(Limits)} - {"profile"}
    for name in sorted(wanted ^ set(thresholds)):
        known = "has no table" if name in wanted else "is no threshold of this service"
        raise KnowledgeError(f"knowledge/thresholds.toml: '{name}' {known}")
    return Limits(profile=profile, **{name: t.under(profile) for name, t in thresholds.items()})
