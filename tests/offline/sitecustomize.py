"""No way out to the network: only this machine can be reached from a Python that imports this.

`tests/conftest.py` imports it, and puts its folder on PYTHONPATH, so that every Python that a test
starts (kernels, servers, workers) imports it, too, before anything else.
"""

import ipaddress
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any

LOCAL = {"", "localhost", socket.gethostname().lower()}
NAMES = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")  # host first
SENDING = ("connect", "connect_ex", "sendto")  # address last


class NetworkBlockedError(OSError):
    """A test tried to leave this machine."""


def is_local(host: str | bytes | None) -> bool:
    """Whether a name or an address is this machine."""
    name = host.decode() if isinstance(host, bytes) else host or ""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name.lower().rstrip(".") in LOCAL
    return address.is_loopback or address.is_unspecified


def check(host: str | bytes | None) -> None:
    """Raise `NetworkBlockedError` for another machine."""
    if not is_local(host):
        raise NetworkBlockedError(f"tests reach this machine only, not {host!r}")


def guarded_name(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        check(host)
        return original(host, *args, **options)

    return look_up


def guarded_method(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(args[-1][0])
        return original(self, *args)

    return send


if not hasattr(socket.getaddrinfo, "__wrapped__"):
    for name in NAMES:
        setattr(socket, name, guarded_name(getattr(socket, name)))
    for name in SENDING:
        setattr(socket.socket, name, guarded_method(getattr(socket.socket, name)))
