"""What arrives: intake of deliveries into extracts, the ledger that accounts for every row, and quarantine."""
