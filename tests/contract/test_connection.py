"""Every way a connection can fail has a message that says what to do, and none shows the key."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from coreset_cleaning.core.errors import (
    AuthenticationError,
    DataError,
    ServerError,
    ServerUnreachableError,
)
from coreset_cleaning.desks.labelstudio import connection
from coreset_cleaning.desks.labelstudio.connection import (
    CA_VARIABLE,
    KEY_VARIABLE,
    URL_VARIABLE,
    LabelStudioServer,
)
from label_studio_server import LabelStudioProcess, free_port

from .fault_proxy import FaultProxy, reply

PATH = "api/projects/"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "READ_PAUSES", (0.01,))


@contextmanager
def fails(
    kind: type[Exception], message: str, key: str, log: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Expect an error; neither its text and traceback nor the log may hold key or cookie."""
    with log.at_level(logging.DEBUG), pytest.raises(kind, match=message) as caught:
        yield
    shown = "".join(traceback.format_exception(caught.value)) + log.text
    assert key not in shown
    assert "sessionid" not in shown


@pytest.fixture(scope="session")  # the server makes one only once
def access_token(process: LabelStudioProcess) -> str:
    return process.personal_token()


def test_both_kinds_of_token_are_accepted(process: LabelStudioProcess, access_token: str) -> None:
    assert access_token.count(".") == 2
    for key in (process.admin_token, access_token, f" {access_token}\n"):
        server = LabelStudioServer(process.url, key)
        assert server.get("api/current-user/whoami")["email"] == process.admin_email
        kind = "legacy token" if key == process.admin_token else "personal access token, valid "
        assert server.key_kind.startswith(kind)
        assert not any(part in server.key_kind for part in key.strip().split("."))


def test_address_and_key_may_come_from_the_environment(
    process: LabelStudioProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, process.url + "/")
    monkeypatch.setenv(KEY_VARIABLE, process.admin_token)
    server = LabelStudioServer()
    assert server.get(PATH)["count"] >= 0
    assert process.admin_token not in repr(server)


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("", "k", r"must be like http://.*got 'nothing'.*LABEL_STUDIO_URL"),
        ("127.0.0.1:8080", "k", "must be like http://.*got '127.0.0.1:8080'"),
        ("http://127.0.0.1:8080", "", "Account & Settings.*LABEL_STUDIO_API_KEY"),
    ],
)
def test_what_is_missing_is_named(
    url: str, key: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(DataError, match=message):
        LabelStudioServer(url, key)


@pytest.mark.parametrize(
    "key",
    [
        "0" * 40,
        "not-a-key",
        "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.sig",  # pragma: allowlist secret - says nothing
    ],
)
def test_a_wrong_key_is_refused_with_where_to_find_the_right_one(
    process: LabelStudioProcess, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with fails(AuthenticationError, "does not accept the key.*Account & Settings", key, caplog):
        LabelStudioServer(process.url, key).get(PATH)


def test_legacy_tokens_that_are_switched_off_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with LabelStudioProcess(tmp_path / "data") as process:
        settings = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
        process.request("POST", "/api/jwt/settings", process.admin_token, settings)
        key = process.admin_token
        with fails(AuthenticationError, "legacy tokens on under Organization", key, caplog):
            LabelStudioServer(process.url, key).get(PATH)


def test_a_server_that_is_down_is_unreachable(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    key = "1" * 40
    with fails(
        ServerUnreachableError, "nothing is listening at that address. Start it", key, caplog
    ):
        LabelStudioServer(f"http://127.0.0.1:{port}", key).get(PATH)
    with fails(ServerUnreachableError, "no machine has this name", key, caplog):
        LabelStudioServer("http://no-such-host.invalid", key).get(PATH)


def test_a_slow_server_is_not_waited_for_forever(
    process: LabelStudioProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultProxy(process.url, lambda *_: "late", delay=2.0) as proxy:
        server = LabelStudioServer(proxy.url, process.admin_token, timeout=0.3)
        with fails(ServerUnreachableError, "did not answer within", process.admin_token, caplog):
            server.get(PATH)


def test_without_tls_no_connection_is_used_twice(process: LabelStudioProcess) -> None:
    # The second answer on a connection would come 40 ms late.
    proxy, taken = FaultProxy(process.url, lambda *_: ""), 0
    take = proxy.httpd.get_request

    def count() -> object:
        nonlocal taken
        taken += 1
        return take()

    proxy.httpd.get_request = count  # type: ignore[method-assign, assignment]
    with proxy:
        server = LabelStudioServer(proxy.url, process.admin_token)
        for _ in range(3):
            server.get(PATH)
    assert taken == 3


def test_https_to_a_server_without_it_says_http(
    process: LabelStudioProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server = LabelStudioServer(process.url.replace("http:", "https:"), process.admin_token)
    with fails(
        ServerUnreachableError,
        "does not speak TLS. Begin the address with http:// instead of https://",
        process.admin_token,
        caplog,
    ):
        server.get(PATH)


def test_a_server_below_a_path_is_found_there_only(
    process: LabelStudioProcess, access_token: str, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultProxy(process.url, lambda *_: "", prefix="/labels") as proxy:
        for key in (process.admin_token, access_token):
            assert LabelStudioServer(proxy.url, key).get(PATH)["count"] >= 0
    wrong = LabelStudioServer(f"{process.url}/labels", process.admin_token)
    with fails(
        ServerError, "answered 404.*Check the address, with its path", process.admin_token, caplog
    ):
        wrong.get(PATH)


def test_a_self_signed_certificate_needs_the_explicit_option(
    process: LabelStudioProcess,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    proxy = FaultProxy(process.url, lambda *_: "")
    proxy.httpd.socket = context.wrap_socket(proxy.httpd.socket, server_side=True)
    with proxy:
        url = proxy.url.replace("http:", "https:")
        with fails(
            ServerUnreachableError, "not trusted. Pass verify=", process.admin_token, caplog
        ):
            LabelStudioServer(url, process.admin_token).get(PATH)
        trusting = LabelStudioServer(url, process.admin_token, verify=str(bundle))
        assert trusting.get(PATH)["count"] >= 0
        monkeypatch.setenv(CA_VARIABLE, str(bundle))
        assert LabelStudioServer(url, process.admin_token).get(PATH)["count"] >= 0
    with pytest.raises(
        DataError, match=r"verify must be .*path of trusted certificates \(PEM\), got"
    ):
        LabelStudioServer(url, "k", verify=str(tmp_path / "nothing.pem"))


def test_a_page_that_is_not_label_studio_is_called_that(
    process: LabelStudioProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server = LabelStudioServer(process.url, process.admin_token)
    with fails(ServerError, "other than Label Studio's JSON", process.admin_token, caplog):
        server.get("user/login/")


def test_the_servers_own_reason_is_passed_on(
    process: LabelStudioProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server = LabelStudioServer(process.url, process.admin_token)
    with fails(ServerError, "answered 400: .*label_config", process.admin_token, caplog):
        server.post(PATH, {"title": "x", "label_config": "<View><Nonsense"})


def test_a_probe_tells_the_version_of_a_server_that_accepts_the_key(
    process: LabelStudioProcess, access_token: str
) -> None:
    for key in (process.admin_token, access_token):
        assert LabelStudioServer(process.url, key).probe(30.0)[0].isdigit()


def test_a_probe_of_a_wrong_key_is_refused(
    process: LabelStudioProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with fails(AuthenticationError, "does not accept the key", "0" * 40, caplog):
        LabelStudioServer(process.url, "0" * 40).probe(30.0)


def test_a_probe_is_one_request_and_never_tried_again(
    process: LabelStudioProcess, access_token: str
) -> None:
    for fault in ("500 before", "429", "drop before", "truncated"):
        for key in (process.admin_token, access_token):
            with FaultProxy(process.url, lambda *_, fault=fault: fault) as proxy:
                with pytest.raises(ServerError):
                    LabelStudioServer(proxy.url, key).probe(30.0)
                assert proxy.counts == {fault: 1}


def test_a_probe_of_a_refused_server_says_so_at_once() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    start = time.monotonic()
    with pytest.raises(ServerUnreachableError, match="nothing is listening at that address"):
        LabelStudioServer(url, "k").probe(30.0)
    assert time.monotonic() - start < 15.0


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte at a time"])
def test_a_probe_of_a_hanging_server_ends_in_time(
    access_token: str, process: LabelStudioProcess, drip: bool
) -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            # A byte now and then keeps every single read within its own limit.
            taken, _ = listener.accept()
            with taken:
                while not over.wait(0.1):
                    if drip:
                        taken.sendall(b"H")

        threading.Thread(target=serve, daemon=True).start()
        server = LabelStudioServer(
            f"http://127.0.0.1:{listener.getsockname()[1]}", process.admin_token
        )
        start = time.monotonic()
        with pytest.raises(ServerUnreachableError, match=r"did not answer within 0\.5 s"):
            server.probe(0.5)
        took = time.monotonic() - start
        over.set()
    assert took < 5.0


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy in the environment that nothing listens behind; its address holds a password."""
    # pragma: allowlist nextline secret
    address = f"http://somebody:hunter2@127.0.0.1:{free_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    return address


def test_no_proxy_is_asked_for_this_machine(
    process: LabelStudioProcess, access_token: str, dead_proxy: str
) -> None:
    for key in (process.admin_token, access_token):
        assert LabelStudioServer(process.url, key).get(PATH)["count"] >= 0
        local = process.url.replace("127.0.0.1", "localhost")
        assert LabelStudioServer(local, key).probe(30.0)


def test_a_proxy_that_fails_is_named(
    dead_proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message = (
        r"proxy that HTTP_PROXY names fails \(nothing is listening at that address\)\. "
        r"Add labels\.invalid to NO_PROXY"
    )
    with fails(ServerUnreachableError, message, "hunter2", caplog):
        LabelStudioServer("http://labels.invalid", "k").get(PATH)
    with fails(ServerUnreachableError, "proxy that HTTPS_PROXY names fails", "hunter2", caplog):
        LabelStudioServer("https://labels.invalid", "k").get(PATH)
    monkeypatch.setenv("NO_PROXY", "labels.invalid")
    with fails(ServerUnreachableError, "no machine has this name", "hunter2", caplog):
        LabelStudioServer("http://labels.invalid", "k").get(PATH)


@pytest.mark.parametrize("status", [403, 407, 502, 503])
def test_what_a_proxy_answers_is_not_taken_for_the_servers_word(
    dead_proxy: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    proxy = FaultProxy("http://127.0.0.1:1", lambda *_: "")
    proxy.handle = lambda request, *_: reply(  # type: ignore[method-assign]
        request, status, b"<html>no way</html>"
    )
    with proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(ServerError, match=r"went through the proxy that HTTP_PROXY") as caught:
            LabelStudioServer("http://labels.invalid", "k").get(PATH)
    assert caught.value.status == status
    assert "does not accept the key" not in str(caught.value)
    assert "Add labels.invalid to NO_PROXY" in caught.value.fix
