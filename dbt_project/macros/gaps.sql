{# That two relations agree in these columns. #}
{% macro same(one, other, columns) -%}
  {% for column in columns %}{{ one }}.{{ column }} = {{ other }}.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# What stands in several rows of these columns. Only rows whose hashes repeat are looked at: millions of texts side by side do not
   fit into memory. #}
{% macro repeated(relation, columns) -%}
select {{ columns | join(', ') }}
from {{ relation }}
where {{ hash_of(columns) }} in (
  select hashed from (select {{ hash_of(columns) }} as hashed from {{ relation }}) as hashes group by hashed having count(*) > 1
)
group by {{ columns | join(', ') }}
having count(*) > 1
{%- endmacro %}

{# Why two years' rows of `int_gap_level` can't be compared, or null; `changes` is what is not the same of those two years,
   `comparisons` the row of `int_comparison`. #}
{% macro what_changed(one, other, changes) -%}
  case
    when comparisons.uses_race and {{ changes }}.race_standard then 'race_standard_changed'
    when comparisons.uses_income and {{ changes }}.econ_basis then 'income_basis_changed'
    when comparisons.uses_el and {{ changes }}.el_rule then 'el_rule_changed'
    when comparisons.uses_courses and {{ changes }}.course_map_version then 'course_map_changed'
    when abs({{ one }}.known_share - {{ other }}.known_share) > policy.coverage_tolerance then 'coverage_changed'
  end
{%- endmacro %}

{# One readable row per school_year x school x metric x dimension x subgroup, against the designated reference. #}
{% macro phase_mart(phase) -%}
select
  places.partner_id,
  gaps.school_year,
  concat(gaps.school_year - 1, '-', right(cast(gaps.school_year as string), 2)) as school_year_label,
  gaps.school_id,
  places.school_name,
  places.program,
  places.phase,
  gaps.metric_id,
  metrics.label as metric_label,
  gaps.dimension,
  subgroups.dimension_label,
  gaps.subgroup,
  subgroups.subgroup_label,
  gaps.n,
  gaps.successes,
  gaps.rate,
  gaps.reference_subgroup,
  gaps.reference_n,
  gaps.reference_successes,
  gaps.reference_rate,
  gaps.gap,
  gaps.gap_low,
  gaps.gap_high,
  gaps.students_needed,
  closure.prior_gap,
  closure.gap_change,
  closure.gap_change_low,
  closure.gap_change_high,
  closure.status,
  closure.leveled_down,
  closure.comparable_to_prior_year,
  closure.comparability_reason,
  gaps.reliable,
  gaps.reason,
  gaps.metric_version,
  gaps.policy_version
from {{ ref('gap_metrics') }} as gaps
inner join {{ ref('metrics') }} as metrics on metrics.metric_id = gaps.metric_id and metrics.phase = '{{ phase }}'
inner join {{ ref('int_subgroup') }} as subgroups
  on subgroups.dimension = gaps.dimension and subgroups.subgroup = gaps.subgroup
inner join {{ ref('int_school_year') }} as places
  on places.school_year = gaps.school_year and places.school_id = gaps.school_id
inner join {{ ref('gap_closure') }} as closure
  on {{ same('closure', 'gaps', ['school_year', 'school_id', 'metric_id', 'dimension', 'subgroup', 'reference']) }}
where gaps.grade_level = '_all' and gaps.reference = 'designated'
{%- endmacro %}

{# Per client of a programme and year, every measured gap against the designated reference: last year's status, this year's,
   what moved, what to do next; rank 1 is the most urgent. #}
{% macro clients_mart(program) -%}
with

clients as (
  select *
  from {{ ref('int_school_year') }}
  where {{ list_holds('program', "'" ~ program ~ "'") }}
),

levels as (
  select levels.*, comparisons.metric_id, comparisons.dimension, comparisons.subgroup, closure.status, closure.prior_gap, closure.gap_change, closure.leveled_down, closure.seats_gap,
    closure.comparable_to_prior_year, closure.comparability_reason
  from {{ ref('int_gap_level') }} as levels
  inner join {{ ref('int_comparison') }} as comparisons on comparisons.comparison = levels.comparison
  inner join {{ ref('gap_closure') }} as closure
    on
      {{ same('closure', 'levels', ['school_year', 'school_id']) }}
      and {{ same('closure', 'comparisons', ['metric_id', 'dimension', 'subgroup', 'reference']) }}
  where comparisons.reference = 'designated' and levels.school_id in (select school_id from clients)
),

rows_of_clients as (
  select
    clients.partner_id,
    clients.school_year,
    clients.school_id,
    clients.school_name,
    now.metric_id,
    metrics.label as metric_label,
    now.dimension,
    subgroups.dimension_label,
    now.subgroup,
    subgroups.subgroup_label,
    subgroups.reference_subgroup,
    prior.status as prior_status,
    now.status,
    now.prior_gap,
    now.gap,
    now.gap_change,
    case
      when now.gap_change is null then null
      when now.gap_change = 0 then 'nothing'
      when abs(now.rate - prior.rate) >= abs(now.reference_rate - prior.reference_rate)
        then case when now.rate > prior.rate then 'group_rose' else 'group_fell' end
      else case when now.reference_rate > prior.reference_rate then 'reference_rose' else 'reference_fell' end
    end as what_changed,
    now.leveled_down,
    now.seats_gap,
    now.comparable_to_prior_year,
    now.comparability_reason
  from clients
  inner join levels as now on now.school_year = clients.school_year and now.school_id = clients.school_id
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = now.metric_id
  inner join {{ ref('int_subgroup') }} as subgroups
    on
      subgroups.dimension = now.dimension
      and subgroups.subgroup = now.subgroup
      and not subgroups.is_unknown
      and subgroups.subgroup <> subgroups.reference_subgroup
  left join levels as prior
    on
      prior.school_year = now.school_year - 1
      and {{ same('prior', 'now', ['school_id', 'metric_id', 'dimension', 'subgroup']) }}
),

-- The pair of statuses decides; a rule for any prior status stands in where no rule names the pair.
with_action as (
  select
    rows_of_clients.*,
    coalesce(pair.urgency, general.urgency) as urgency,
    coalesce(pair.what_to_do, general.what_to_do) as what_to_do
  from rows_of_clients
  left join {{ ref('status_actions') }} as pair
    on pair.status = rows_of_clients.status and pair.prior_status = rows_of_clients.prior_status
  inner join {{ ref('status_actions') }} as general
    on general.status = rows_of_clients.status and general.prior_status = 'any'
)

select
  with_action.*,
  cast(row_number() over (
    partition by school_year
    order by urgency, coalesce(seats_gap, 0) desc, school_id, metric_id, dimension, subgroup
  ) as bigint) as urgency_rank
from with_action
{%- endmacro %}

{# What a subgroup is compared with. #}
{% macro reference_kinds() %}{{ return(['rest', 'overall', 'highest', 'designated']) }}{% endmacro %}

{# Each row of `int_references` once per reference: its counts beside those of the reference, whether nobody is in both, and then
   the two-sided p-value of the pooled z test. #}
{% macro comparisons(counts) -%}
  select *, {{ erfc('abs_z') }} as p_value
  from (
    select
      *,
      case when disjoint then abs({{ pooled_z('n', 'successes', 'reference_n', 'reference_successes') }}) / sqrt(2.0) end as abs_z
    from (
      {% for reference in reference_kinds() -%}
      select
        school_year, school_id, grade_level, metric_id, dimension, subgroup, '{{ reference }}' as reference,
        direction, n, successes, reason,
        {% if reference == 'rest' %}cast(null as string){% else %}{{ reference }}_subgroup{% endif %} as reference_subgroup,
        {{ reference }}_n as reference_n,
        {{ reference }}_successes as reference_successes,
        {{ 'false' if reference == 'overall' else 'true' if reference == 'rest' else "partitioning and subgroup <> " ~ reference ~ "_subgroup" }} as disjoint,
        rest_n, rest_successes, overall_n, overall_successes, highest_n, highest_successes
      from {{ counts }}
      {% if not loop.last %}union all {% endif -%}
      {% endfor %}
    ) as pairs
  ) as tested
{%- endmacro %}
