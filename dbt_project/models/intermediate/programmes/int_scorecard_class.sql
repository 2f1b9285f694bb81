{{ config(tags=['with_class_ratings', 'with_experience_samples'], materialized='table') }}
-- One class's part in each group's scorecard. A rating is of the class: each student who sits in it counts once. A moment of
-- experience sampling is a student's own.
with

instruments as (
  select * from {{ ref('int_scorecard_instrument') }} where threshold is not null
),

students as (
  select students.school_year, students.student_id, subgroups.dimension, subgroups.subgroup
  from {{ ref('int_student_cell') }} as students
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = students.cell
  where subgroups.dimension in ({{ one_way_dimensions() }})
),

rosters as (
  select distinct school_year, school_id, section_id, student_id
  from {{ ref('stg_course_enrollments') }}
  where section_id is not null and dropped <> 'yes'
),

classes as (
  select
    ratings.school_year,
    ratings.collection_window,
    ratings.school_id,
    ratings.section_id,
    ratings.resource,
    count(*) as observations,
    avg(case when ratings.rating >= instruments.threshold then 1.0e0 else 0.0e0 end) as share_met
  from {{ ref('stg_class_ratings') }} as ratings
  inner join instruments
    on
      instruments.school_year = ratings.school_year
      and instruments.instrument = ratings.instrument
      and instruments.resource = ratings.resource
      and instruments.rating_max = ratings.rating_max
  group by 1, 2, 3, 4, 5
),

moments as (
  select
    samples.school_year,
    samples.collection_window,
    samples.school_id,
    samples.section_id,
    instruments.resource,
    samples.student_id,
    count(*) as moments,
    sum(case when samples.rating >= instruments.threshold then 1.0e0 else 0.0e0 end) as met
  from {{ ref('stg_experience_samples') }} as samples
  inner join instruments
    on
      instruments.school_year = samples.school_year
      and instruments.instrument = samples.instrument
      and instruments.resource = 'engagement'
      and instruments.rating_max = samples.rating_max
  group by 1, 2, 3, 4, 5, 6
),

of_windows as (
  select
    classes.school_year, classes.collection_window, classes.school_id, classes.section_id, classes.resource,
    students.dimension, students.subgroup,
    'exposure_weighted' as method,
    max(classes.observations) as observations,
    count(*) as students,
    cast(count(*) as double) as seats,
    count(*) * max(classes.share_met) as met
  from classes
  inner join rosters
    on rosters.school_year = classes.school_year and rosters.school_id = classes.school_id and rosters.section_id = classes.section_id
  inner join students on students.school_year = rosters.school_year and students.student_id = rosters.student_id
  group by 1, 2, 3, 4, 5, 6, 7, 8

  union all

  select
    moments.school_year, moments.collection_window, moments.school_id, moments.section_id, moments.resource,
    students.dimension, students.subgroup,
    'own_answers' as method,
    {{ sum_whole('moments.moments') }} as observations,
    count(*) as students,
    cast(sum(moments.moments) as double) as seats,
    sum(moments.met) as met
  from moments
  inner join students on students.school_year = moments.school_year and students.student_id = moments.student_id
  group by 1, 2, 3, 4, 5, 6, 7, 8
)

select * from of_windows
union all
-- The whole year, each class once.
select
  school_year, '_all' as collection_window, school_id, section_id, resource, dimension, subgroup, method,
  {{ sum_whole('observations') }} as observations, max(students) as students, sum(seats) as seats, sum(met) as met
from of_windows
group by 1, 2, 3, 4, 5, 6, 7, 8
