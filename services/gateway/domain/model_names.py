"""A model is called by its file's name: where the file lies is the operator's business."""

NAME_LENGTH_MAX = 200


def file_name(model: str) -> str:
    """`/models/gemma.gguf` → `gemma.gguf`; an alias stays as it is."""
    return model.replace("\\", "/").rstrip("/").rpartition("/")[2][:NAME_LENGTH_MAX]
