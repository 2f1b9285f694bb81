"""What a steward of the data does with a partner: take it on, see where it stands, keep and erase what it sent."""
