"""Text to vectors on this machine, with the weights that come in a Python wheel: no network, no key."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INLINE_MAX: Final = 4
"""Texts embedded on the event loop itself, in far less than a millisecond; more go to a thread."""
INLINE_CHARACTERS_MAX: Final = 4_000
BATCH: Final = 16
"""Texts embedded at a time; their token vectors are all in memory together."""
TEXT_MAX: Final = 4_000
"""Characters of a text that count towards its vector."""


class WordLlamaEmbedder:
    """The Embedder of the embedded mode. The model is loaded at the first use, in a thread."""

    name = "wordllama-l2_supercat-256"
    dimensions = 256

    def __init__(self) -> None:
        self._model: Any = None
        self._loading = threading.Lock()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length one for every text, in order."""
        small = len(texts) <= INLINE_MAX and sum(map(len, texts)) <= INLINE_CHARACTERS_MAX
        if self._model is not None and small:
            return self._vectors(texts)
        return await asyncio.to_thread(self._vectors, texts)

    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        model = self._loaded()
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [_encodable(text) for text in texts[start : start + BATCH]]
            vectors.extend(_normalised(model.embed(batch)).tolist())
        return vectors

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                self._model = _load(self.dimensions)
            return self._model


def _encodable(text: str) -> str:
    return text[:TEXT_MAX].encode("utf-8", "replace").decode("utf-8")


def _normalised(vectors: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Vectors of length one; a text without any token gets the first axis, near nothing."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[(lengths == 0)[:, 0], 0] = 1.0
    lengths[lengths == 0] = 1.0
    vectors /= lengths
    return vectors


def _load(dimensions: int) -> Any:
    # Importing wordllama configures the root logger unless it has a handler already.
    shield = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(shield)
    try:
        import wordllama
    finally:
        root.removeHandler(shield)
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(dim=dimensions, cache_dir=folder, disable_download=True)
