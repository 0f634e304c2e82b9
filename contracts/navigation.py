"""Where a browser may be sent on to after it has signed in: a link may name any address."""

from __future__ import annotations


def is_own_path(address: str) -> bool:
    """Tell whether an address is a path of the origin that a browser is at.

    Browsers take a backslash for a slash, and leave tabs and line ends out.
    """
    odd = "\\" in address or any(ord(each) < ord(" ") for each in address)
    return not odd and address.startswith("/") and not address.startswith("//")
