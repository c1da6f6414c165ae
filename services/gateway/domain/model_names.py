"""A model is called by its file's name: where the file lies is the operator's business.

The name goes into Redis, events and the ledger: what cannot be printed (half a surrogate pair, a zero byte) is
left out, because some of them could not store it, and the request's charge with it.
"""

NAME_LENGTH_MAX = 200


def file_name(model: str) -> str:
    """`/models/gemma.gguf` → `gemma.gguf`; an alias stays as it is."""
    name = model.replace("\\", "/").rstrip("/").rpartition("/")[2][:NAME_LENGTH_MAX]
    return name if name.isprintable() else "".join(filter(str.isprintable, name))
