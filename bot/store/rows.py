"""Conversion between rows and values: jobs, generations and references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, String, and_, bindparam, exists, or_, select

from bot.domain.catalog.shapes.edit_shape import SourceShape
from bot.domain.job import OWN_MESSAGE, Failure, Generation, GenerationState, Job, JobKind, JobState, Lane, Reference, ReplyTarget
from bot.store.engine.statements import Prepared
from bot.store.tables import generations, job_messages, jobs

_PLACE = tuple(column.name for column in fields(ReplyTarget))
_BY_AGE = (generations.c.created_at, generations.c.job_id, generations.c.n)
GENERATION = tuple(generations.c[each.name] for each in fields(Generation))  # the columns that a `Generation` has
_JOBS = select(*(column for column in jobs.c if column.name != "owner"), job_messages.c.message_id).select_from(
    jobs.outerjoin(job_messages, and_(job_messages.c.job_id == jobs.c.id, or_(*(job_messages.c.role == role for role in OWN_MESSAGE))))
)


def read_generations(conn: Connection, where: ColumnElement[bool], *, limit: int | None = None) -> list[Generation]:
    """The generations that match `where`, oldest first."""
    query = select(*GENERATION).where(where).order_by(*_BY_AGE).limit(limit)
    return [generation_of(row) for row in conn.execute(query).mappings()]


def generation_of(row: Mapping[Any, Any]) -> Generation:
    """The generation in a row."""
    failure = None if row["failure"] is None else Failure(row["failure"])
    return Generation(**{**row, "state": GenerationState(row["state"]), "failure": failure, "lane": Lane(row["lane"])})


def read_jobs(conn: Connection, where: ColumnElement[bool], *, newest: bool = False, limit: int | None = None) -> list[Job]:
    """The jobs that match `where` with their generations, oldest first, or with `newest` newest first."""
    order = (jobs.c.created_at.desc(), jobs.c.id) if newest else (jobs.c.created_at, jobs.c.id)
    return _with_generations(conn, conn.execute(_JOBS.where(where).order_by(*order).limit(limit)).mappings().all())


def jobs_by_id(conn: Connection, job_ids: Collection[str]) -> list[Job]:
    """The jobs with these ids and their generations, oldest first."""
    return _with_generations(conn, _jobs_of(len(job_ids)).mappings(conn, _numbered(job_ids))) if job_ids else []


@lru_cache(maxsize=64)
def _jobs_of(count: int) -> Prepared:
    return Prepared(_JOBS.where(jobs.c.id.in_(_ids(count))).order_by(jobs.c.created_at, jobs.c.id))


@lru_cache(maxsize=64)
def _generations_of(count: int) -> Prepared:
    return Prepared(select(*GENERATION).where(generations.c.job_id.in_(_ids(count))).order_by(*_BY_AGE))


def _ids(count: int) -> list[BindParameter[str]]:
    return [bindparam(f"id_{n}", type_=String) for n in range(count)]


def _numbered(ids: Iterable[str]) -> dict[str, str]:
    return {f"id_{n}": each for n, each in enumerate(ids)}


def _with_generations(conn: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[Job]:
    parts = defaultdict(list)
    for part in _generations_of(len(rows)).mappings(conn, _numbered(row["id"] for row in rows)) if rows else ():
        parts[part["job_id"]].append(generation_of(part))
    return [_job(row, parts[row["id"]]) for row in rows]


def _job(row: Mapping[Any, Any], parts: Sequence[Generation]) -> Job:
    values = dict(row)
    place = ReplyTarget(**{name: values.pop(name) for name in _PLACE})
    values |= {"kind": JobKind(row["kind"]), "state": JobState(row["state"]), "source_shape": shape_of(row["source_shape"])}
    return Job(**values, place=place, generations=tuple(parts))


def shape_of(kept: Mapping[str, Any] | None) -> SourceShape | None:
    """A job's `source_shape` from its column."""
    if kept is None:
        return None
    return SourceShape(**{**kept, "ratios": None if kept["ratios"] is None else tuple(kept["ratios"])})


def has_image() -> ColumnElement[bool]:
    """A condition on `jobs`: a usable image of it was made."""
    made = and_(generations.c.state == GenerationState.SUCCEEDED, generations.c.error.is_(None))
    return exists().where(generations.c.job_id == jobs.c.id, made)


def job_row(job: Job, *, owner: int | None = None) -> dict[str, Any]:
    """The values of a job's row, among others. `owner`: the process that takes care of it."""
    shape = None if job.source_shape is None else vars(job.source_shape)
    return {**vars(job), **vars(job.place), "params": dict(job.params), "source_shape": shape, "owner": owner}


def generation_row(generation: Generation) -> dict[str, Any]:
    """The row of a generation."""
    return {**vars(generation), "params": dict(generation.params), "owner": None}


def reference_row(job_id: str, n: int, reference: Reference) -> dict[str, Any]:
    """The row of a job's `n`-th reference."""
    return {"job_id": job_id, "n": n, **vars(reference)}
