"""From raw recordings to time-resolved RDMs."""
