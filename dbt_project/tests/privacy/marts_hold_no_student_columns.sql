-- depends_on: {{ ref('gap_metrics') }}, {{ ref('gap_closure') }}, {{ ref('access') }}, {{ ref('success') }}, {{ ref('tools_package') }}, {{ ref('equity_leader_lab') }}, {{ ref('course_funnel') }}, {{ ref('sustainability') }}, {{ ref('data_quality') }}
-- A mart column about one student. Resolve: marts hold counts only; keep student rows in the intermediate layer.
select table_name, column_name
from information_schema.columns
where
  table_schema = 'marts'
  and (column_name like '%student\_id%' escape '\' or column_name in ('cell', 'birth_date', 'gpa', 'races', 'hispanic_latino'))
