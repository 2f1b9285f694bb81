-- Incidents of the population, with the school of the incident beside the student's own.
select
  students.school_year,
  students.student_id,
  students.school_id,
  students.grade_level,
  students.cell_1,
  students.cell_2,
  events.school_id as event_school_id,
  events.incident_date,
  events.incident_id,
  events.action
from {{ ref('stg_discipline') }} as events
inner join {{ ref('int_student_year') }} as students
  on students.school_year = events.school_year and students.student_id = events.student_id
