select school_year, rule, extract, rows as n, of_rows as of_n
from {{ source('raw', 'cross_file_checks') }}
