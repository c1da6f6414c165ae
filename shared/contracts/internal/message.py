"""The base of all internal messages. Fields are only ever added, with a default."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
