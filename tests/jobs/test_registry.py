"""Every request of the contract has a job."""

from __future__ import annotations

import importlib.util

import pytest

from desktop_app.core import types
from desktop_app.core.types import Urgency
from desktop_app.jobs.registry import title_of, urgency_of, use_case_of

REQUESTS = [value for name, value in vars(types).items() if name.endswith("Request")]


def test_the_contract_has_requests() -> None:
    assert len(REQUESTS) >= 13


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda one: one.__name__)
def test_request_has_a_job_whose_module_exists(request_type: type) -> None:
    request = object.__new__(request_type)
    assert importlib.util.find_spec(f"desktop_app.jobs.{use_case_of(request).module}") is not None
    assert title_of(request)


def test_answers_that_a_person_waits_for_come_first() -> None:
    assert urgency_of(types.SearchRequest()) is Urgency.HIGH
    assert urgency_of(types.PageRequest(0, 1)) is Urgency.HIGH
    for quick in (types.LibraryRequest(), types.ModelsRequest(), types.GroupsRequest()):
        assert urgency_of(quick) is Urgency.HIGH, "a page is not kept waiting by a long inversion"
    assert urgency_of(types.IndexRequest()) is Urgency.LOW


def test_unknown_request_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="no job answers"):
        urgency_of("index, please")
