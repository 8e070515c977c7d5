"""The models of the local Oxen. Their facts are in models.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import jsonschema_rs

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class OxenModel:
    """One model. `facts` is the object as it is sent."""

    facts: Json

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def media_type(self) -> str | None:
        """`image`, `video`, or None if the model makes neither."""
        return next((kind for kind in ("image", "video") if kind in self.facts["capabilities"]["output"]), None)

    @property
    def schema(self) -> Json:
        return self.facts.get("request_schema") or self.facts.get("json_request_schema") or {}

    @property
    def needs_prompt(self) -> bool:
        return "prompt" in self.schema.get("required", ["prompt"])

    @property
    def enlarges(self) -> bool:
        """Whether it works on an image without a prompt."""
        return not self.needs_prompt and "input_image" in self.schema["required"]

    def default(self, name: str) -> Any:
        """The default of one parameter, or None."""
        return self.schema.get("properties", {}).get(name, {}).get("default")

    def validation_error(self, parameters: Json) -> str | None:
        """What is wrong with the parameters, as a sentence, or None. Names that are not in the schema are wrong too."""
        error = next(self._validator.iter_errors(parameters), None)
        if error is None:
            return None
        where = ".".join(str(step) for step in error.instance_path)
        return f"Invalid value for {where}: {error.message}" if where else error.message

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator({**self.schema, "additionalProperties": False})


class OxenCatalog:
    """All models, in their listed order."""

    def __init__(self, facts: list[Json] | None = None) -> None:
        facts = facts if facts is not None else json.loads(files(__package__).joinpath("models.json").read_text("utf-8"))
        self._models = {each["id"]: OxenModel(facts=each) for each in facts}

    def find(self, model_id: str) -> OxenModel | None:
        return self._models.get(model_id)

    def listed(self, *, developer: str | None = None, action: str | None = None) -> list[Json]:
        """Facts of the models, optionally of one developer (case-insensitive) and those that allow a fine-tuning action."""
        facts = [model.facts for model in self._models.values()]
        if developer:
            facts = [each for each in facts if each["developer"]["name"].casefold() == developer.casefold()]
        return [each for each in facts if not action or action in each["actions"]]

    def search(self, words: str) -> list[Json]:
        """Facts of the models whose id or name contains `words`."""
        needle = words.casefold()
        return [each for each in self.listed() if needle in f"{each['id']} {each['display_name']}".casefold()]
