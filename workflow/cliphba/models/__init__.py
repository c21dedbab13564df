"""Heads, checkpoints, and finished models that embed images."""
