{{ sums_metric('graded_seats', 'seats_c_or_better') }}
