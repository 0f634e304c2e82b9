"""N-grams are those that a plain reading of their definition finds."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from trainer.features import ngrams


def count(texts):
    words, windows = zip(*ngrams.count_ngrams(texts), strict=True)
    return stacked(words), stacked(windows)


def stacked(blocks):
    return sparse.vstack(
        [
            sparse.csr_matrix((bags.weights, bags.features, bags.offsets), (len(bags), ngrams.BUCKETS))
            for bags in blocks
        ],
        format="csr",
    )


def tokens(text):
    found, word = [], ""
    for character in f"{text.lower()} ":
        if character.isalnum() or character == "_":
            word += character
            continue
        found += [word] * bool(word) + [character] * (not character.isspace())
        word = ""
    return found


def words_of(text):
    alone = tokens(text)
    return Counter(alone) + Counter(pairwise(alone))


def windows_of(text):
    found = Counter()
    for word in text.lower().split():
        padded = f" {word} "
        for size in (2, 3, 4, 5):
            found.update(padded[begin : begin + size] for begin in range(len(padded) - size + 1))
    return found


def texts():
    chance = random.Random(0)
    signs = "aab_ \t\n\u00a0.,9éИ語\U0001f600\ud800"
    return [
        "",
        "   ",
        "a",
        "İ",
        *("".join(chance.choices(signs, k=chance.randrange(40))) for _ in range(300)),
    ]


@pytest.mark.parametrize("block", [1, 50, ngrams.BLOCK])
def test_each_text_has_the_ngrams_of_its_definition(block, monkeypatch):
    monkeypatch.setattr(ngrams, "BLOCK", block)
    monkeypatch.setattr(ngrams, "BITS", 40)  # so that no two share a bucket by chance
    monkeypatch.setattr(ngrams, "BUCKETS", 1 << 40)
    words, windows = count(texts())
    for row, text in enumerate(texts()):
        assert sorted(words[row].data) == sorted(words_of(text).values()), text
        assert sorted(windows[row].data) == sorted(windows_of(text).values()), text


def test_the_same_ngram_has_the_same_bucket_in_any_text():
    words, windows = count(["Paris, france", "FRANCE", "in France  "])
    assert set(words[1].indices) <= set(words[0].indices) & set(words[2].indices)
    assert set(windows[1].indices) <= set(windows[0].indices) & set(windows[2].indices)
    assert (windows[1] != windows[0]).nnz > 0


def test_different_ngrams_rarely_share_a_bucket():
    words, _ = count([str(number) for number in range(10_000)])
    # of 10,000 balls in 2**20 boxes 48 meet another on average
    assert len(np.unique(words.indices)) > 9_850


def test_no_text_has_none():
    assert list(ngrams.count_ngrams([])) == []
