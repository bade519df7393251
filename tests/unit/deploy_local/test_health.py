"""What a probe's answer means."""

from __future__ import annotations

import socket

from deploy.local.health import NO_ANSWER, ask, free_port, free_ports, read_answer


def test_a_200_is_ready() -> None:
    assert read_answer(b"HTTP/1.1 200 OK\r\n\r\n{}").ready


def test_a_503_gives_the_reasons_of_the_checks_that_failed() -> None:
    body = b'{"checks": {"redis": {"ok": true, "reason": ""}, "numba": {"ok": false, "reason": "warming"}}}'
    health = read_answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + body)
    assert not health.ready
    assert health.reason == "numba: warming"


def test_a_body_that_is_no_json_is_not_ready_without_reasons() -> None:
    for body in (b"", b"<html>", b"[]", b'{"checks": 7}'):
        health = read_answer(b"HTTP/1.1 500 Oops\r\n\r\n" + body)
        assert health.reason == "its probe answers without reasons"


async def test_a_port_nobody_listens_on_is_no_answer_yet() -> None:
    assert await ask(free_port()) == NO_ANSWER


def test_free_port_gives_the_wished_one_unless_it_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_free_ports_never_gives_one_port_twice() -> None:
    with socket.socket() as wished:
        wished.bind(("127.0.0.1", 0))
        port = wished.getsockname()[1]
    assert len(set(free_ports([port, port, *[0] * 200]))) == 202
