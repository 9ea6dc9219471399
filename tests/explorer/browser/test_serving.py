"""`dynsim explore` as a server: bounded, local, and gone when it is told to go."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec("voila") is None, reason="needs the extra 'notebooks'")


@contextmanager
def serving(tmp_path, *words):
    """Run a server with one place; yields (process, address, folder of temporary files)."""
    command = [sys.executable, "-m", "dynsim", "explore", "byol", "--no-browser", "--max-sessions", "1"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {
        key: str(tmp_path / key) for key in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TMPDIR")
    }
    (tmp_path / "TMPDIR").mkdir()
    server = subprocess.Popen(
        [*command, *words, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=tmp_path, env={**os.environ, **places, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        line = server.stdout.readline()
        assert line.startswith(f"dynsim explorer: http://127.0.0.1:{port}/"), line + server.stdout.read()
        yield server, f"http://127.0.0.1:{port}/", tmp_path / "TMPDIR"
    finally:
        server.kill()
        server.wait(10)
        server.stdout.close()


def ask(address, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=300) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_bounded_local_and_clean(tmp_path):
    psutil = pytest.importorskip("psutil", reason="comes with ipykernel")
    with serving(tmp_path) as (server, address, temporary):
        check_bounds(address)
        kernels = psutil.Process(server.pid).children(recursive=True)
        assert kernels
        server.send_signal(signal.SIGINT)
        assert server.wait(120) == 0
        assert psutil.wait_procs(kernels, 60)[1] == []  # no kernel outlives its server
        assert server.stdout.read().strip() == ""
        assert list(temporary.iterdir()) == []  # nothing is left behind


def check_bounds(address):
    status, page, headers = ask(address)
    assert status == 200
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    status, page, headers = ask(address)
    assert status == 503
    assert "at most 1 visitors" in page
    assert headers["Retry-After"]
    assert ask(address, Host="evil.example")[0] == 403
    assert ask(f"{address}voila/files/dynsim.ipynb")[0] in (403, 404)


def test_an_idle_visitor_loses_the_place_and_a_picture_takes_none(tmp_path):
    with serving(tmp_path, "--idle", "0.05") as (server, address, _):
        assert ask(address, **{"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"})[0] == 403
        assert ask(address, **{"Sec-Fetch-Dest": "document"})[0] == 200
        deadline = time.monotonic() + 300
        while (status := ask(address)[0]) == 503 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(120) in (0, -signal.SIGTERM)


@pytest.fixture(scope="module")
def one_visitor(tmp_path_factory):
    """Address of a server with one page open, path of the websocket of its kernel, folder of the server."""
    with serving(tmp_path_factory.mktemp("serving")) as (_, address, temporary):
        kernel = re.search(r'"kernelId": "([0-9a-f-]{36})"', ask(address)[1]).group(1)
        yield address, f"api/kernels/{kernel}/channels", temporary.parent


def test_no_message_runs_code(one_visitor):
    """A visitor may move sliders; a request to execute text is refused by the server."""
    import asyncio
    import json

    from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
    from tornado.websocket import websocket_connect

    address, channels, folder = one_visitor
    trap = "open('trap', 'w').close()"

    def request(kind, content):
        header = {"msg_id": kind, "msg_type": kind, "username": "", "session": "1", "version": "5.3"}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        return bytes(serialize_msg_to_ws_v1(parts, "shell"))

    async def send():
        socket = await websocket_connect(
            address.replace("http", "ws") + channels,
            subprotocols=["v1.kernel.websocket.jupyter.org"],
        )
        await socket.write_message(request("execute_request", {"code": trap, "silent": False}), binary=True)
        await socket.write_message(request("kernel_info_request", {}), binary=True)  # answered after what came before
        replies = [""]
        while "kernel_info_reply" not in replies[-1]:
            replies.append(str(await socket.read_message()))
        socket.close()
        while await socket.read_message() is not None:  # until the server has closed its side too
            pass
        return replies

    with ThreadPoolExecutor(1) as other:  # the browser's own loop may be running in this thread
        replies = other.submit(lambda: asyncio.run(asyncio.wait_for(send(), 120))).result()
    assert not [reply for reply in replies if "execute_reply" in reply]
    assert not list(folder.rglob("trap"))


@pytest.mark.parametrize(
    "words",
    [
        ["toi"],
        ["(phi*theta"],
        ["toy", "--initial", "psi=1"],
        ["toy", "--max-sessions", "0"],
        ["toy", "--port", "70000"],
        ["toy", "--t-end", "-1"],
        ["--restore", "show=toy&branch=half"],
    ],
)
def test_a_users_mistake_is_one_line(words, capsys):
    from dynsim.cli import main

    assert main(["explore", "--no-browser", *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("dynsim: ")
    assert told.count("\n") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # tornado drops what it cannot bind
def test_a_taken_port_is_said(capsys):
    import gc

    from dynsim.cli import main

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["explore", "--no-browser", "--port", str(taken.getsockname()[1])]) == 2
    assert capsys.readouterr().err.startswith("dynsim: --port: got")
    gc.collect()


def opened_websocket(address, channels, *words):
    """Socket after the hand-shake for a page's kernel, and the status of the server's answer."""
    host = address.split("/")[2]
    lines = [f"GET /{channels} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
             "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
             f"Origin: {address.rstrip('/')}", *words]  # fmt: skip
    client = socket.create_connection(host.split(":"), timeout=120)
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    return client, int(client.recv(4096).split()[1])


def received_until(client, wanted):
    """What the server sends up to some bytes, or until it closes the connection."""
    received = b""
    while wanted not in received and (more := client.recv(65536)):
        received += more
    return received


def test_a_message_of_garbage_ends_its_connection_and_nothing_else(one_visitor):
    address, channels, _ = one_visitor
    client, status = opened_websocket(address, channels)  # of the old protocol
    with client:
        assert status == 400
    for _ in range(2):  # the second time as the first
        client, status = opened_websocket(address, channels, "Sec-WebSocket-Protocol: v1.kernel.websocket.jupyter.org")
        with client:
            assert status == 101
            client.sendall(b"\x82\xc0" + bytes(4) + b"\xff" * 64)  # a binary frame of 64 bytes, masked by zeros
            closed = (1007).to_bytes(2, "big")
            assert closed in received_until(client, closed)
    assert ask(f"{address}voila/api/shutdown/none")[0] in (403, 404, 405)
