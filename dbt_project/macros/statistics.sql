{# All statistics of gaps, in one place. n and successes are whole numbers; rates are doubles; null in, null out.
   Sources: Wilson 1927; Newcombe 1998 (method 10); Cohen 1988; percentage point gap methods of 2017 and 2022. #}

{# The ends at rates of 0 and 1 are 0 and 1 themselves; rounding must not put them beside. #}
{% macro wilson(side, n, successes, z) -%}
  {%- set sign = '-' if side == 'low' else '+' -%}
  {%- set p = divide(successes, n) -%}
  case
    when {{ n }} > 0 and {{ successes }} = {{ '0' if side == 'low' else n }} then {{ '0.0' if side == 'low' else '1.0' }}
    when {{ n }} > 0 then
      ({{ p }} + {{ z }} * {{ z }} / (2.0 * {{ n }})
        {{ sign }} {{ z }} * sqrt({{ p }} * (1.0 - {{ p }}) / {{ n }} + {{ z }} * {{ z }} / (4.0 * {{ n }} * {{ n }})))
      / (1.0 + {{ z }} * {{ z }} / {{ n }})
  end
{%- endmacro %}

{# Interval of `rate` - `reference` from the two intervals of independent estimates (MOVER). With Wilson intervals
   of two proportions it is Newcombe's hybrid score interval; with two of those, the interval of a change of a gap. #}
{% macro mover_low(estimate, low, reference, reference_high) -%}
  ({{ estimate }} - {{ reference }}) - sqrt(power({{ estimate }} - {{ low }}, 2) + power({{ reference_high }} - {{ reference }}, 2))
{%- endmacro %}

{% macro mover_high(estimate, high, reference, reference_low) -%}
  ({{ estimate }} - {{ reference }}) + sqrt(power({{ high }} - {{ estimate }}, 2) + power({{ reference }} - {{ reference_low }}, 2))
{%- endmacro %}

{% macro cohens_h(rate, reference_rate) %}2.0 * asin(sqrt({{ rate }})) - 2.0 * asin(sqrt({{ reference_rate }})){% endmacro %}

{# Undefined, hence null, wherever one of the two odds is: the reference at 0 or 1, the group at 1. #}
{% macro odds_ratio(n, successes, reference_n, reference_successes) -%}
  case when {{ reference_successes }} < {{ reference_n }} and {{ successes }} < {{ n }} then
    {{ divide(successes ~ ' * (' ~ reference_n ~ ' - ' ~ reference_successes ~ ')',
              '((' ~ n ~ ' - ' ~ successes ~ ') * ' ~ reference_successes ~ ')') }} end
{%- endmacro %}

{# Students who would have to change sides for the group to reach the reference rate held still: more successes where
   higher is better (direction 1), fewer where lower is (-1). Never negative. #}
{% macro students_needed(n, successes, reference_n, reference_successes, direction) -%}
  case when {{ n }} > 0 and {{ reference_n }} > 0 then
    {{ divide_up('greatest(0, ' ~ direction ~ ' * (' ~ reference_successes ~ ' * ' ~ n ~ ' - ' ~ successes ~ ' * ' ~ reference_n ~ '))', reference_n) }}
  end
{%- endmacro %}

{% macro ppg2017_margin(n, policy) -%}
  greatest({{ policy }}.ppg2017_z * sqrt({{ policy }}.ppg2017_rate * (1.0 - {{ policy }}.ppg2017_rate) / nullif({{ n }}, 0)), {{ policy }}.ppg2017_smallest_margin)
{%- endmacro %}

{% macro ppg2022_margin(n, successes, policy) -%}
  {%- set p = 'case when ' ~ successes ~ ' in (0, ' ~ n ~ ') then ' ~ policy ~ '.ppg2022_rate_at_0_or_1 else ' ~ divide(successes, n) ~ ' end' -%}
  greatest({{ policy }}.ppg2022_z * sqrt(({{ p }}) * (1.0 - {{ p }}) / nullif({{ n }}, 0)), {{ policy }}.ppg2022_smallest_margin)
{%- endmacro %}

{# Below `percent` of the best rate, compared in whole numbers. Where lower is better, of the rate of not being hit. #}
{% macro below_percent_of(n, successes, best_n, best_successes, percent, direction) -%}
  {%- set good = 'case when ' ~ direction ~ ' = 1 then ' ~ successes ~ ' else ' ~ n ~ ' - ' ~ successes ~ ' end' -%}
  {%- set best = 'case when ' ~ direction ~ ' = 1 then ' ~ best_successes ~ ' else ' ~ best_n ~ ' - ' ~ best_successes ~ ' end' -%}
  case when {{ n }} > 0 and ({{ best }}) > 0 then 100 * ({{ good }}) * {{ best_n }} < {{ percent }} * ({{ best }}) * {{ n }} end
{%- endmacro %}
