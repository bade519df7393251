"""What came in is remembered within limits."""

from deploy.sandbox.received import ReceivedLog


def test_received_entries_are_numbered_and_given_since_a_number() -> None:
    log = ReceivedLog()
    for path in ("/a", "/b", "/c"):
        log.add(at_ns=1, kind="http", path=path)
    assert [entry["path"] for entry in log.since(1)] == ["/b", "/c"]


def test_received_beyond_the_limit_drops_the_oldest_yet_never_a_placement() -> None:
    log = ReceivedLog(received_max=2)
    log.add(at_ns=1, kind="http", placement=True, path="/orders/regular")
    for _ in range(5):
        log.add(at_ns=1, kind="http", path="/orders")
    assert log.dropped == 3
    assert [entry["sequence"] for entry in log.since(0)] == [1, 5, 6]


def test_received_fields_that_are_secret_do_not_show() -> None:
    entry = ReceivedLog().add(at_ns=1, kind="http", params={"checksum": "abc", "quantity": "1"})
    assert entry["params"] == {"checksum": "***", "quantity": "1"}
