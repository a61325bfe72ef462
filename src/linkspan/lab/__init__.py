"""A throwaway host with a LAN client and an internet, for tests, demos and experiments."""

from linkspan.lab.lab import Lab
from linkspan.lab.result import LabError, Result
from linkspan.lab.snapshot import Snapshot

__all__ = ["Lab", "LabError", "Result", "Snapshot"]
