"""Recordings of a stack's life: written while it runs, replayed byte for byte."""

from .record import Recording
from .replay import Difference, Replayed, SentPacket, feed, replay

__all__ = ["Difference", "Recording", "Replayed", "SentPacket", "feed", "replay"]
