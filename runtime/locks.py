"""The platform's PostgreSQL advisory locks, all in one place so that no two share a number; the numbers mean nothing.

A number stays what it is: processes of two releases may be at work at once.
"""

from __future__ import annotations

from typing import Final

MIGRATION: Final = 7_481_923  # one process migrates at a time
SLOTS: Final = 7_481_924  # the launcher counts and takes slots
QUOTAS: Final = 7_481_925  # the api counts what limits are about
RETENTION: Final = 7_481_926  # one relay at a time forgets what is long over
