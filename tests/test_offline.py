"""Tests have no way out to the network, nor has any Python that they start."""

import asyncio
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.offline.sitecustomize import is_local

REFUSED = "tests reach this machine only"
OUTSIDE = "192.0.2.1"  # reserved for documentation: nobody has it


def test_a_connection_to_another_machine_is_refused_before_it_is_tried() -> None:
    with socket.socket() as client, pytest.raises(OSError, match="not '192.0.2.1'"):
        client.connect((OUTSIDE, 80))
    with socket.socket() as client, pytest.raises(OSError, match=REFUSED):
        client.connect_ex((OUTSIDE, 80))
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_a_datagram_to_another_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(OSError, match=REFUSED):
        client.sendto(b"?", (OUTSIDE, 53))


def test_names_of_other_machines_are_not_looked_up() -> None:
    for look_up in (socket.gethostbyname, socket.gethostbyname_ex):
        with pytest.raises(OSError, match="only, not 'example.org'"):
            look_up("example.org")
    with pytest.raises(URLError, match=REFUSED):
        urlopen("https://example.org")


def test_asyncio_has_no_way_out_either() -> None:
    with ThreadPoolExecutor() as pool, pytest.raises(OSError, match=REFUSED):  # a loop of its own
        pool.submit(lambda: asyncio.run(asyncio.open_connection("example.org", 443))).result()


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        (b"localhost", True),
        ("127.0.0.5", True),
        ("::1", True),
        ("0.0.0.0", True),
        (None, True),
        (socket.gethostname(), True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example.org", False),
    ],
)
def test_only_this_machine_is_local(host: str | bytes | None, local: bool) -> None:
    assert is_local(host) == local


def test_a_python_started_by_a_test_has_no_way_out() -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "tests reach this machine only" in done.stderr
