{# The keys of the seed `policy` and their types. #}
{% macro policy_keys() %}
  {{ return({
    'population_grades': 'string', 'graduating_grade': 'string', 'stem_subjects': 'string', 'semester_grades': 'string',
    'snapshot_month': 'bigint', 'snapshot_day': 'bigint', 'ap_passing_score': 'bigint', 'ib_passing_score': 'bigint',
    'offered_courses': 'bigint', 'readiness_years': 'bigint', 'chronic_absence_percent': 'bigint', 'attendance_days_minimum': 'bigint',
    'n_reliability': 'bigint', 'index80_percent': 'bigint', 'risk_ratio_cell': 'bigint', 'risk_ratio_n': 'bigint',
    'income_everyone_percent': 'bigint', 'grade_numeric_c': 'double', 'grade_numeric_highest': 'double', 'confidence_z': 'double',
    'ppg2017_z': 'double', 'ppg2017_smallest_margin': 'double', 'ppg2017_rate': 'double', 'ppg2022_z': 'double',
    'ppg2022_smallest_margin': 'double', 'ppg2022_rate_at_0_or_1': 'double', 'closure_tolerance': 'double',
    'leveled_down_share': 'double', 'coverage_tolerance': 'double', 'maintained_share': 'double', 'pass_rate_tolerance': 'double'
  }) }}
{% endmacro %}
