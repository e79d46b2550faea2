"""What goes over the line between school and pseudonym service; the same models read it on both sides."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pseudonymisation.oprf import MAX_BATCH

KeyId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
Period = Annotated[str, StringConstraints(pattern="^20[0-9]{2}-20[0-9]{2}(-[1-4])?$")]
Element = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{43}$")]
Proof = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{86}$")]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class EvaluationRequest(BaseModel):
    """`POST /v1/evaluations`. Who asks stands in the credential, never here.

    Attributes:
        key_id: the service's key, from its key document.
        period: what the pseudonyms are for; lies in the key's school year.
        blinded: 1 to 5,000 blinded elements of 32 bytes.
    """

    model_config = _STRICT
    key_id: KeyId
    period: Period
    blinded: list[Element] = Field(min_length=1, max_length=MAX_BATCH)


class EvaluationAnswer(BaseModel):
    """The answer: one proof for the batch, the evaluated elements in the order asked, and what is left of the quota."""

    model_config = _STRICT
    key_id: KeyId
    proof: Proof
    evaluated: list[Element]
    remaining: int
