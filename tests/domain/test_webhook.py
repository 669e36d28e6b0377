"""What is sent to an endpoint, in which order, and what becomes of what it does not take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import Problem
from interlock.domain.webhook import (
    DISABLED_AFTER_MS,
    RETRIES_MS,
    ROTATION_MS,
    WAITING_MAX,
    Answered,
    Progress,
    Redelivery,
    Secrets,
    Waiting,
    Webhook,
    after_answers,
    check_webhook,
    headers_of,
    pause_ms,
    secret_of,
    signature,
    why_disabled,
)

NOW = 1_772_442_000_000
WEBHOOK = Webhook(id="w", org="o", name="w", url="https://example.org")


def test_the_signature_is_the_published_one() -> None:
    """The vector that implementations of Standard Webhooks test with."""
    secret, id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    said = signature(secret, id, 1_614_265_330, b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_sign_for_a_day_after_a_rotation() -> None:
    old, new = secret_of(b"a" * 32), secret_of(b"b" * 32)
    rotated = Secrets(old).rotated(new, NOW)
    signed = headers_of(rotated, "e", NOW + ROTATION_MS - 1, b"{}")["webhook-signature"].split(" ")
    at_s = (NOW + ROTATION_MS - 1) // 1000
    assert signed == [signature(s, "e", at_s, b"{}") for s in (new, old)]
    assert len(headers_of(rotated, "e", NOW + ROTATION_MS, b"{}")["webhook-signature"].split(" ")) == 1


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org", "example.org", "https://", "https://u:p@example.org", "https://example.org/#x",
     "https://example.org:99999/", "https://exa mple.org", "https://[::1", "javascript:alert(1)", "https://a\n.org"],
)  # fmt: skip
def test_no_url_that_nothing_can_be_sent_to(url: str) -> None:
    with pytest.raises(Problem) as refused:
        check_webhook({"url": url})
    assert refused.value.pointer == "/url"


def test_pauses_grow_and_end() -> None:
    assert [pause_ms(n + 1, 0.0) for n in range(len(RETRIES_MS))] == list(RETRIES_MS)
    assert pause_ms(len(RETRIES_MS) + 1, 0.0) is None
    assert pause_ms(1, 0.5) == 5_500


def test_whoever_takes_something_again_is_asked_for_all_that_waits() -> None:
    waiting = (Waiting(1, 0, "a", 3, NOW + 9_000_000), Waiting(2, 0, "b", 1, NOW), Waiting(3, 0, "c", 2, NOW))
    progress = Progress(3, waiting, failing_since=NOW - 1)
    after = after_answers(progress, [(waiting[1], Answered(200)), (waiting[2], Answered(500))], NOW, 0.0)
    assert after.failing_since is None
    assert [(w.subject, w.due_at) for w in after.waiting] == [("a", 0), ("c", NOW + RETRIES_MS[2])]


def test_five_days_without_a_success_switch_off() -> None:
    progress = Progress(1, failing_since=NOW)
    failed = [Answered(500)]
    assert not why_disabled(WEBHOOK, progress, failed, NOW + DISABLED_AFTER_MS - 1)
    assert "five days" in why_disabled(WEBHOOK, progress, failed, NOW + DISABLED_AFTER_MS)
    again = WEBHOOK.with_(enabled_at=NOW + DISABLED_AFTER_MS)
    assert not why_disabled(again, progress, failed, NOW + DISABLED_AFTER_MS + 1), "somebody just switched it on"
    assert "410" in why_disabled(WEBHOOK, Progress(1), [Answered(410)], NOW)


def test_a_redelivery_goes_back_once() -> None:
    progress = Progress(90, (Waiting(10, 0, "a"), Waiting(60, 0, "b", 2, NOW)))
    back = progress.ordered(Redelivery(1, after=50))
    assert (back.position, back.waiting) == (50, (Waiting(10, 0, "a"),))
    assert back.ordered(Redelivery(1, after=50)) == back
    assert progress.ordered(Redelivery(1, after=95)).position == 90, "what was not sent yet comes anyway"


@given(st.data())
def test_every_event_is_sent_or_given_up_and_each_subject_in_order(data: st.DataObject) -> None:
    """Whatever an endpoint answers and whenever it is asked."""
    rows = data.draw(st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=40))
    progress, read, now = Progress(0), 0, NOW
    done: list[tuple[int, int, str]] = []
    for _ in range(4_000):
        while progress.room > 0 and read < len(rows):
            read += 1
            progress = progress.with_events(read, [Waiting(read, n, s) for n, s in enumerate(rows[read - 1])])
        assert len(progress.waiting) <= WAITING_MAX + 3
        if not progress.waiting and read == len(rows):
            break
        sendable = progress.sendable(now, data.draw(st.integers(1, 8)))
        if not sendable:
            due = progress.next_due()
            assert due is not None, "something waits, and is due at some time"
            assert due > now
            now = due
            continue
        assert len({w.subject for w in sendable}) == len(sendable)
        statuses = data.draw(st.lists(st.sampled_from([200, 500, 0]), min_size=len(sendable), max_size=len(sendable)))
        answers: list[Any] = [(w, Answered(s)) for w, s in zip(sendable, statuses, strict=True)]
        after = after_answers(progress, answers, now, 0.3)
        left = {(w.position, w.n) for w in after.waiting}
        done += [(w.position, w.n, w.subject) for w in sendable if (w.position, w.n) not in left]
        progress = after
    assert sorted(done) == [(p, n, s) for p, row in enumerate(rows, 1) for n, s in enumerate(row)]
    for subject in "abc":
        own = [(p, n) for p, n, s in done if s == subject]
        assert own == sorted(own)
