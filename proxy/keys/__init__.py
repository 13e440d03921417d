"""Secrets at rest: sealed, hashed, and sealed anew."""
