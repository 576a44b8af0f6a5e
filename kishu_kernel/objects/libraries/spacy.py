"""spaCy: spans and tokens of documents."""

from __future__ import annotations

import operator
from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _span(span: Any) -> Reduction:
    return type(span), (span.doc, span.start, span.end, span.label, None, None, span.kb_id, span.id)


class SpaCy(Library):
    """Places in a document, which is what is stored."""

    exact_reductions = {
        "spacy.tokens.span.Span": _span,
        "spacy.tokens.token.Token": lambda token: (operator.getitem, (token.doc, token.i)),
    }
