with

row_counts as (
  {% for extract in ['schools', 'students', 'school_enrollments', 'courses', 'course_enrollments', 'exam_results', 'readiness_scores', 'attendance', 'discipline',
                    'survey_responses', 'aggregate_counts'] -%}
  select school_year, '{{ extract }}' as extract, 'rows' as measure, '_all' as item, count(*) as n, cast(null as bigint) as of_n
  from {{ ref('stg_' ~ extract) }}
  group by school_year
  {% if not loop.last %}union all {% endif -%}
  {% endfor %}
),

population as (
  select school_year, 'students' as extract, 'in_population' as measure, '_all' as item, count(*) as n, cast(null as bigint) as of_n
  from {{ ref('int_student_year') }}
  group by school_year
),

coverage as (
  select
    school_year,
    case
      when token like '%!_courses' escape '!' or token = 'earlier_years' then 'courses'
      when token = 'final_grades' then 'course_enrollments'
      when token like 'exam!_%' escape '!' then 'exam_results'
      when token like 'survey!_%' escape '!' then 'survey_responses'
      else token
    end as extract,
    'on_file' as measure,
    token as item,
    cast(case when on_file then 1 else 0 end as bigint) as n,
    cast(1 as bigint) as of_n
  from {{ ref('int_coverage') }}
),

agreement as (
  select school_year, extract, rule as measure, '_all' as item, n, of_n
  from {{ ref('stg_cross_file_checks') }}
),

-- Schools where a group all but vanished, and those of them where nobody has said that it is true.
drift as (
  select
    school_year,
    'students' as extract,
    'drift_not_accepted' as measure,
    dimension as item,
    count(case when not is_accepted then 1 end) as n,
    count(*) as of_n
  from {{ ref('stg_drift_blocks') }}
  group by school_year, dimension
),

only_title_suggests as (
  select
    school_year,
    'courses' as extract,
    'only_title_suggests_ap_ib' as measure,
    '_all' as item,
    count(case when needs_decision then 1 end) as n,
    count(*) as of_n
  from {{ ref('int_course') }}
  group by school_year
),

unreadable_grades as (
  select
    school_year,
    'course_enrollments' as extract,
    'grade_unreadable' as measure,
    '_all' as item,
    {{ sum_whole("case when meaning = 'unreadable' then seats else 0 end") }} as n,
    {{ sum_whole('seats') }} as of_n
  from {{ ref('int_final_grade') }}
  group by school_year
),

unknown as (
  select
    counts.school_year,
    'students' as extract,
    'unknown' as measure,
    counts.dimension as item,
    {{ sum_whole("case when subgroups.is_unknown then counts.n else 0 end") }} as n,
    {{ sum_whole('counts.n') }} as of_n
  from {{ ref('int_student_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups
    on subgroups.dimension = counts.dimension and subgroups.subgroup = counts.subgroup
  where
    counts.school_id = '_all' and subgroups.partitioning and counts.dimension <> 'all_students'
  group by counts.school_year, counts.dimension
),

final as (
  select * from row_counts
  {% for measure in ['population', 'coverage', 'agreement', 'drift', 'only_title_suggests', 'unreadable_grades', 'unknown'] -%}
  union all
  select * from {{ measure }}
  {% endfor %}
)

select partner.partner_id, final.school_year, final.extract, final.measure, final.item, final.n, final.of_n, {{ divide('final.n', 'final.of_n') }} as share
from final
cross join {{ ref('stg_partner') }} as partner
