"""What goes with a model that is given away: what is known of it, its card, and how to use it."""
