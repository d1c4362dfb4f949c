"""Every way a connection can fail has a message that says what to do, and none shows the key."""

from __future__ import annotations

import logging
import socket
import ssl
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
from coreset_cleaning.labelstudio import connection
from coreset_cleaning.labelstudio.connection import (
    CA_VARIABLE,
    KEY_VARIABLE,
    URL_VARIABLE,
    LabelStudioServer,
)
from label_studio_server import LabelStudioProcess

from .fault_proxy import FaultProxy

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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = "1" * 40
    with fails(ServerUnreachableError, "nobody listens there; start it", key, caplog):
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
    with fails(ServerUnreachableError, "http:// instead of https://", process.admin_token, caplog):
        server.get(PATH)


def test_a_server_below_a_path_is_found_there_only(
    process: LabelStudioProcess, access_token: str, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultProxy(process.url, lambda *_: "", prefix="/labels") as proxy:
        for key in (process.admin_token, access_token):
            assert LabelStudioServer(proxy.url, key).get(PATH)["count"] >= 0
    wrong = LabelStudioServer(f"{process.url}/labels", process.admin_token)
    with fails(ServerError, "address right, with its path", process.admin_token, caplog):
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
            ServerUnreachableError, "not trusted; pass verify=", process.admin_token, caplog
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
