"""The ways a client's request comes in, on one port: the fast lane, and aiohttp for everything else."""

from .fast import FastLane
from .full import FullLane

__all__ = ["FastLane", "FullLane"]
