{# All statistics of gaps, in one place. n and successes are whole numbers; rates are doubles; null in, null out.
   Sources: Wilson 1927; Newcombe 1998 (method 10); Cohen 1988; percentage point gap methods of 2017 and 2022;
   Cody 1969 (erfc); UNESCO (adjusted parity index); Benjamini and Hochberg 1995. #}

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

{# The rate ratio on a scale from 0 to 2 on which twice and half are equally far from 1. #}
{% macro parity_index_adjusted(ratio) -%}
  case when {{ ratio }} <= 1 then {{ ratio }} else 2.0 - 1.0 / {{ ratio }} end
{%- endmacro %}

{# Two-proportion z with the pooled rate (the square root of Pearson's chi-square without correction); 0 where nobody or
   everybody succeeds, for then there is no difference. Approximate where counts are small: `reliable` says where. #}
{% macro pooled_z(n, successes, reference_n, reference_successes) -%}
  {%- set pooled = divide(successes ~ ' + ' ~ reference_successes, n ~ ' + ' ~ reference_n) -%}
  case
    when {{ n }} = 0 or {{ reference_n }} = 0 then null
    when {{ successes }} + {{ reference_successes }} in (0, {{ n }} + {{ reference_n }}) then 0.0
    else ({{ divide(successes, n) }} - {{ divide(reference_successes, reference_n) }})
      / sqrt({{ pooled }} * (1.0 - {{ pooled }}) * (1.0 / {{ n }} + 1.0 / {{ reference_n }}))
  end
{%- endmacro %}

{% macro polynomial(x, coefficients) -%}
  {%- set text = namespace(value=coefficients[0]) -%}
  {%- for coefficient in coefficients[1:] %}{% set text.value = '(' ~ text.value ~ ') * ' ~ x ~ ' + ' ~ coefficient %}{% endfor -%}
  ({{ text.value }})
{%- endmacro %}

{# Complementary error function of `x` >= 0 by Cody's rational approximations, to double precision; engines have none. The
   two-sided normal p-value of z is erfc(|z| / sqrt 2). `x` is a column: it stands in the text many times. #}
{% macro erfc(x) -%}
  {%- set x2 = '(' ~ x ~ ' * ' ~ x ~ ')' -%}
  {%- set inverse = '(1.0 / (' ~ x ~ ' * ' ~ x ~ '))' -%}
  case
    when {{ x }} <= 0.46875e0 then 1.0e0 - {{ x }}
      * {{ polynomial(x2, ['1.85777706184603153e-1', '3.16112374387056560e0', '1.13864154151050156e2', '3.77485237685302021e2', '3.20937758913846947e3']) }}
      / {{ polynomial(x2, ['1.0e0', '2.36012909523441209e1', '2.44024637934444173e2', '1.28261652607737228e3', '2.84423683343917062e3']) }}
    when {{ x }} <= 4.0e0 then exp(-{{ x }} * {{ x }})
      * {{ polynomial(x, ['2.15311535474403846e-8', '5.64188496988670089e-1', '8.88314979438837594e0', '6.61191906371416295e1', '2.98635138197400131e2', '8.81952221241769090e2', '1.71204761263407058e3', '2.05107837782607147e3', '1.23033935479799725e3']) }}
      / {{ polynomial(x, ['1.0e0', '1.57449261107098347e1', '1.17693950891312499e2', '5.37181101862009858e2', '1.62138957456669019e3', '3.29079923573345963e3', '4.36261909014324716e3', '3.43936767414372164e3', '1.23033935480374942e3']) }}
    when {{ x }} < 27.0e0 then exp(-{{ x }} * {{ x }}) / {{ x }} * (5.6418958354775628695e-1 - {{ inverse }}
      * {{ polynomial(inverse, ['1.63153871373020978e-2', '3.05326634961232344e-1', '3.60344899949804439e-1', '1.25781726111229246e-1', '1.60837851487422766e-2', '6.58749161529837803e-4']) }}
      / {{ polynomial(inverse, ['1.0e0', '2.56852019228982242e0', '1.87295284992346725e0', '5.27905102951428412e-1', '6.05183413124413191e-2', '2.33520497626869185e-3']) }})
    else {{ x }} * 0.0e0
  end
{%- endmacro %}
