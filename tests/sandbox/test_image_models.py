"""The local image API's model list, as its clients read it."""

from __future__ import annotations

import pytest

from tests.sandbox.wire import DEV, KLEIN, Client


async def test_models_are_listed_as_openai_does(client: Client) -> None:
    listed = (await client.get("/api/ai/models")).json
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]][:3] == [KLEIN, "black-forest-labs-flux-2-klein-9b", DEV]
    assert {"text", "image", "video"} == {output for each in listed["data"] for output in each["capabilities"]["output"]}


async def test_both_names_of_the_schema_occur(client: Client) -> None:
    models = (await client.get("/api/ai/models")).json["data"]
    assert {name for each in models for name in each if name.endswith("request_schema")} == {"request_schema", "json_request_schema"}


@pytest.mark.parametrize(
    ("query", "count"),
    [({"developer_name": "black forest labs"}, 3), ({"action": "image_lora"}, 2), ({"action": "x"}, 0)],
)
async def test_models_are_filtered(client: Client, query: dict[str, str], count: int) -> None:
    assert len((await client.get("/api/ai/models", params=query)).json["data"]) == count


async def test_models_are_searched_and_read(client: Client) -> None:
    found = (await client.get("/api/ai/models/search", params={"search": "klein 4"})).json["data"]
    read = (await client.get(f"/api/ai/models/{KLEIN}")).json
    assert found == [read]
    assert read["pricing"] == {"method": "per_image", "cost_per_image": 0.014}


async def test_an_unknown_model_is_not_found(client: Client) -> None:
    answer = await client.get("/api/ai/models/dall-e-9")
    assert (answer.status, answer.json["error"]["type"]) == (404, "resource_not_found")
