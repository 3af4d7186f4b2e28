"""What goes into a command in a container and comes back, over a real pair of sockets."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest

from stackgen.runtime.execution import exchanged


def frame(stream, content):
    return struct.pack(">BxxxL", stream, len(content)) + content


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def played(theirs, pieces):
    """The other side: reads the input to its end, then writes in pieces; what it read."""
    heard = []

    def play():
        while piece := theirs.recv(1000):
            heard.append(piece)
        for piece in pieces:
            theirs.sendall(piece)
        theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=play)
    thread.start()
    return thread, heard


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_both_outputs_come_back_whole_however_they_are_cut(ends, size):
    ours, theirs = ends
    whole = frame(1, b"out") + frame(2, b"error") + frame(1, b"") + frame(1, b"put" * 100)
    thread, heard = played(theirs, [whole[at : at + size] for at in range(0, len(whole), size)])
    assert exchanged(ours, b"the input", 20) == (b"out" + b"put" * 100, b"error")
    thread.join()
    assert b"".join(heard) == b"the input"


def test_a_command_that_is_silent_is_left_in_time(ends):
    ours, _ = ends
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        exchanged(ours, b"", 0.3)
    assert time.monotonic() - began < 15


def test_a_command_that_drips_is_left_in_time_too(ends):
    ours, theirs = ends
    stop = threading.Event()

    def drip():
        while not stop.wait(0.05):
            theirs.sendall(frame(1, b"."))

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        exchanged(ours, b"", 0.5)
    assert time.monotonic() - began < 15
    stop.set()
    thread.join()
