with

clients as (
  select *
  from {{ ref('int_school_year') }}
  where is_tools_package_client
),

closure as (
  select *
  from {{ ref('gap_closure') }}
  where reference = 'designated'
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
    now.leveled_down,
    now.seats_gap,
    now.comparable_to_prior_year,
    now.comparability_reason
  from clients
  inner join closure as now on now.school_year = clients.school_year and now.school_id = clients.school_id
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = now.metric_id
  inner join {{ ref('int_subgroup') }} as subgroups
    on
      subgroups.dimension = now.dimension
      and subgroups.subgroup = now.subgroup
      and not subgroups.is_unknown
      and subgroups.subgroup <> subgroups.reference_subgroup
  left join closure as prior
    on
      prior.school_year = now.school_year - 1
      and prior.school_id = now.school_id
      and prior.metric_id = now.metric_id
      and prior.dimension = now.dimension
      and prior.subgroup = now.subgroup
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
  row_number() over (
    partition by school_year
    order by urgency, coalesce(seats_gap, 0) desc, school_id, metric_id, dimension, subgroup
  ) as urgency_rank
from with_action
