{{ phase_mart('success') }}
