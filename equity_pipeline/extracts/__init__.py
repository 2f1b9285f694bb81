"""What arrives: the contracts of the canonical extracts, the ledger of deliveries, quarantine and intake."""
