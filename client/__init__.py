"""A typed client of the REST API: `from client import Client`; the command line and the web interface use it, too.

types.py says what bodies and answers hold, as the OpenAPI document describes them.
"""

from client.api import Api, Client
from client.errors import ApiError, Away, BrokenOff, HalfSent, Refused, StoreAway, Unusable

__all__ = ["Api", "ApiError", "Away", "BrokenOff", "Client", "HalfSent", "Refused", "StoreAway", "Unusable"]
