"""How well models agree with people, with intervals and tests."""
