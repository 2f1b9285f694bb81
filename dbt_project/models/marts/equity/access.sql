{{ phase_mart('access') }}
