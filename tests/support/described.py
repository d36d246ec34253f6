"""Explain and what-if whose every answer is compared with the models that describe it in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel

from service.api.representations.explanations import ChangePrediction, EventPrediction, Explanation
from service.pipeline.operate.explain import Explainer, ExplainQuery
from service.pipeline.operate.what_if import WhatIf


def check_described(model: type[BaseModel], document: Mapping[str, Any]) -> None:
    """Raise AssertionError where a document has a field that the model lacks, and ValidationError where it differs."""
    sent = orjson.loads(orjson.dumps(document))
    described = model.model_validate_json(orjson.dumps(sent), strict=True)
    assert orjson.loads(described.model_dump_json(by_alias=True, exclude_unset=True)) == sent


class DescribedExplainer(Explainer):
    """An Explainer that checks its own answers."""

    async def __call__(self, query: ExplainQuery) -> dict[str, Any]:
        document = await super().__call__(query)
        check_described(Explanation, document)
        return document


class DescribedWhatIf(WhatIf):
    """A WhatIf that checks its own answers."""

    async def event(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        document = await super().event(*arguments, **options)
        check_described(EventPrediction, document)
        return document

    async def change(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        document = await super().change(*arguments, **options)
        check_described(ChangePrediction, document)
        return document
