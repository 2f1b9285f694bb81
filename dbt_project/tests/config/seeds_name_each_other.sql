-- A seed row that names something no other seed knows. Resolve: correct the name, or add the row that it names.
{% set known_tokens = ['ap_ib_courses', 'advanced_courses', 'ap_stem_courses', 'earlier_years', 'exam_results', 'exam_history',
                        'final_grades', 'readiness_scores', 'attendance', 'discipline'] %}
select 'subgroups.dimension' as place, dimension as name
from {{ ref('subgroups') }}
where dimension not in (select dimension from {{ ref('dimensions') }})

union all

select 'subgroups.attribute' as place, attribute as name
from {{ ref('subgroups') }}
where attribute not in ('{{ student_attributes() | join("', '") }}')

union all

select 'dimensions.reference_subgroup' as place, dimensions.dimension as name
from {{ ref('dimensions') }} as dimensions
left join {{ ref('int_subgroup') }} as subgroups
  on subgroups.dimension = dimensions.dimension and subgroups.subgroup = dimensions.reference_subgroup
where dimensions.reference_subgroup is not null and subgroups.subgroup is null

union all

select 'dimensions without subgroups' as place, dimension as name
from {{ ref('dimensions') }}
where dimension not in (select dimension from {{ ref('int_subgroup') }})

union all

select 'course_class' as place, course_class as name
from (
  select course_class from {{ ref('sced_ap_ib') }}
  union all select course_class from {{ ref('course_levels') }}
  union all select course_class from {{ ref('state_course_codes') }}
  union all select course_class from {{ ref('stg_course_decisions') }}
) as used
where course_class not in (select course_class from {{ ref('course_classes') }})

union all

select 'metrics.direction' as place, metric_id as name
from {{ ref('metrics') }}
where direction not in ('higher_is_better', 'lower_is_better')

union all

select 'metrics.requires' as place, token as name
from (select distinct {{ split_rows('requires') }} as token from {{ ref('metrics') }} where unit <> 'exposure') as required
where token not in ('{{ known_tokens | join("', '") }}') and token not like 'survey\_%' escape '\'

union all

select 'status_actions' as place, statuses.status as name
from (
  {% for status in ['not_measurable', 'open', 'narrowing', 'widening', 'closed', 'maintained_closed', 'reopened', 'reversed'] -%}
  select '{{ status }}' as status {% if not loop.last %}union all {% endif -%}
  {% endfor %}
) as statuses
where statuses.status not in (select status from {{ ref('status_actions') }} where prior_status = 'any')

union all

select 'scorecard_instruments.metric_id' as place, metric_id as name
from {{ ref('scorecard_instruments') }}
where metric_id not in (select metric_id from {{ ref('metrics') }} where unit = 'exposure')
