"""The legal state transitions of jobs and generations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import ENDED, GenerationState, JobState, ReplyTarget, job_sources, new_job_id, sources
from tests.env.jobs import generation, new_job

W, S, R = GenerationState.WAITING, GenerationState.SUBMITTING, GenerationState.RUNNING
STEPS = {  # repeated here in full, to detect an error in the table
    (W, S), (W, GenerationState.FAILED), (W, GenerationState.CANCELLED),
    (S, W), (S, R), (S, GenerationState.SUCCEEDED), (S, GenerationState.FAILED), (S, GenerationState.CANCELLED),
    (R, W), (R, GenerationState.SUCCEEDED), (R, GenerationState.FAILED), (R, GenerationState.CANCELLED),
}  # fmt: skip
JOB_STEPS = {
    (JobState.OPEN, JobState.DELIVERABLE),
    (JobState.DELIVERABLE, JobState.DELIVERED),
    (JobState.DELIVERABLE, JobState.STRANDED),
    (JobState.DELIVERABLE, JobState.DELETED),
    (JobState.DELIVERED, JobState.DELETED),
    (JobState.STRANDED, JobState.DELIVERED),
    (JobState.STRANDED, JobState.DELETED),
}


def test_a_generation_has_exactly_these_transitions() -> None:
    assert {(now, then) for then in GenerationState for now in sources(then)} == STEPS


def test_a_job_has_exactly_these_transitions() -> None:
    assert {(now, then) for then in JobState for now in job_sources(then)} == JOB_STEPS


def test_an_ended_generation_never_changes() -> None:
    assert not any(ENDED & set(sources(then)) for then in GenerationState)


@given(st.lists(st.sampled_from(GenerationState), max_size=30))
def test_a_generation_ends_at_most_once(attempts: list[GenerationState]) -> None:
    state, ends = GenerationState.WAITING, 0
    for then in attempts:
        if state in sources(then):
            state, ends = then, ends + (then in ENDED)
    assert ends == (state in ENDED)


def test_a_job_id_is_short_and_unique() -> None:
    ids = [new_job_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(each) for each in ids} == {12}
    assert set("".join(ids)) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_a_job_costs_its_images_without_refunds() -> None:
    made = generation(n=0, state=GenerationState.SUCCEEDED, price=3)
    refunded = generation(n=1, state=GenerationState.SUCCEEDED, price=5, refunded_at=9)
    job = new_job(id="job")
    assert type(job)(**{**vars(job), "generations": (made, refunded, generation(n=2, price=7))}).spent == 3


def test_a_token_is_valid_until_it_expires() -> None:
    place = ReplyTarget(user_id=1, channel_id=2, token="secret", token_expires_at=100)
    assert [place.token_lives(now) for now in (99, 100)] == [True, False]
    assert not ReplyTarget(user_id=1, channel_id=2).token_lives(0)
    assert "secret" not in repr(place)
