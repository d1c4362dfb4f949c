"""What is known of a server without anybody waiting for it."""

from __future__ import annotations

import threading
import time

from coreset_cleaning.app.server import KEPT_SECONDS, Known, Probes, ServerState

OK = Known(ServerState.OK, "fine")
URL, KEY = "http://ls:8080", "one"  # pragma: allowlist secret


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Counts the questions; answers at once, or when it is released."""

    def __init__(self, known: Known = OK, hangs: bool = False) -> None:
        self.known, self.questions = known, []
        self.release = threading.Event()
        if not hangs:
            self.release.set()

    def __call__(self, url: str, key: str) -> Known:
        self.questions.append((url, key))
        assert self.release.wait(30)
        return self.known


def test_an_answer_stands_for_half_a_minute() -> None:
    server, clock = Server(), Clock()
    probes = Probes(server, clock)
    assert probes.state(URL, KEY, wait=30) == OK
    clock.now += KEPT_SECONDS - 1
    assert probes.state(URL, KEY, wait=30) == OK
    assert len(server.questions) == 1
    server.known = Known(ServerState.DOWN, "gone")
    clock.now += 1
    assert probes.state(URL, KEY, wait=30) == server.known
    assert len(server.questions) == 2


def test_another_key_or_address_is_another_question() -> None:
    server = Server()
    probes = Probes(server, Clock())
    asked = [(URL, KEY), (URL, "two"), ("http://other", KEY)]
    for question in asked:
        probes.state(*question, wait=30)
        probes.state(*question, wait=30)
    assert server.questions == asked


def test_who_asks_anew_gets_a_new_answer() -> None:
    server = Server(Known(ServerState.DOWN, "gone"))
    probes = Probes(server, Clock())
    probes.state(URL, KEY, wait=30)
    server.known = OK
    assert probes.state(URL, KEY, wait=30).state is ServerState.DOWN
    assert probes.state(URL, KEY, anew=True, wait=30) == OK


def test_nobody_waits_for_a_server_that_hangs_and_it_is_asked_once() -> None:
    server = Server(hangs=True)
    probes = Probes(server, Clock())
    begin = time.perf_counter()
    states = [probes.state(URL, KEY, wait=0.01).state for _ in range(10)]
    assert time.perf_counter() - begin < 5
    assert set(states) == {ServerState.UNKNOWN}
    assert len(server.questions) == 1
    server.release.set()
    assert probes.state(URL, KEY, wait=30) == OK
    assert len(server.questions) == 1


def test_a_question_that_fails_is_an_answer_and_can_be_asked_again() -> None:
    def ask(url: str, key: str) -> Known:
        raise RuntimeError("no such module")

    probes = Probes(ask, Clock())
    for _ in range(2):
        known = probes.state(URL, KEY, anew=True, wait=30)
        assert (known.state, known.what) == (ServerState.DOWN, "RuntimeError: no such module")


def test_no_key_is_kept() -> None:
    probes = Probes(Server(), Clock())
    probes.state(URL, "cafebabe", wait=30)
    assert "cafebabe" not in repr(vars(probes))
