"""One writer per source format: a sample district as such a system would deliver it."""
