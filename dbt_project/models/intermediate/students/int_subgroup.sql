with

dimensions as (
  select
    dimension,
    label as dimension_label,
    sort as dimension_sort,
    reference_subgroup,
    partitioning = 'yes' as partitioning,
    crosses,
    publish_level,
    uses_race = 'yes' as uses_race,
    uses_income = 'yes' as uses_income,
    uses_el = 'yes' as uses_el
  from {{ ref('dimensions') }}
),

subgroups as (
  select distinct dimension, subgroup, label, sort
  from {{ ref('subgroups') }}
),

named as (
  select dimensions.dimension, subgroups.subgroup, subgroups.label, subgroups.sort, subgroups.subgroup = 'unknown' as is_unknown
  from dimensions
  inner join subgroups on subgroups.dimension = dimensions.dimension

  union all

  select
    dimensions.dimension,
    concat(one.subgroup, '*', other.subgroup) as subgroup,
    concat(one.label, ', ', lower(other.label)) as label,
    100 * one.sort + other.sort as sort,
    one.subgroup = 'unknown' or other.subgroup = 'unknown' as is_unknown
  from dimensions
  inner join subgroups as one on one.dimension = split_part(dimensions.crosses, ';', 1)
  inner join subgroups as other on other.dimension = split_part(dimensions.crosses, ';', 2)
)

select
  named.dimension,
  named.subgroup,
  dimensions.dimension_label,
  named.label as subgroup_label,
  dimensions.dimension_sort,
  named.sort as subgroup_sort,
  named.is_unknown,
  dimensions.partitioning,
  dimensions.reference_subgroup,
  dimensions.publish_level,
  dimensions.uses_race,
  dimensions.uses_income,
  dimensions.uses_el
from named
inner join dimensions on dimensions.dimension = named.dimension
