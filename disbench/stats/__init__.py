"""Confidence intervals and tests on stored measurements."""
