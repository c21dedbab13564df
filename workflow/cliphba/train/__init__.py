"""Losses, the one training loop, and what is trained by it."""
