"""The compiled part of forests: laying trees out, walking rows down them, explaining rows.

A tree is laid out depth first, so that a node's left child stands right behind it. A leaf is its
own right child and its threshold is NaN: whoever walks on from a leaf stays there, which lets
several rows walk side by side without asking which of them have arrived.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.numba_typing import compiled_and_kept, fingerprint, inlined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Read together, in 16 bytes: where a row's feature is at most the threshold it goes left.
NODE = np.dtype([("threshold", "f8"), ("feature", "i4"), ("right", "i4")])

# Rows that walk down a tree before the next tree's turn: a tree stays in the cache meanwhile.
BLOCK = 1024


class Nodes(NamedTuple):
    """One tree as its maker numbered it; n nodes, the root first.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n,)
        Children; -1 for a leaf.
    feature : ndarray of int64, shape (n,)
    threshold : ndarray of float64, shape (n,)
    values : ndarray of float64, shape (n,)
        Used of leaves.
    weights : ndarray of float64, shape (n,)
        How many training rows came by; used of leaves.
    """

    left: Ints
    right: Ints
    feature: Ints
    threshold: Floats
    values: Floats
    weights: Floats


class Trees(NamedTuple):
    """Trees as arrays; N nodes of k trees.

    Attributes
    ----------
    nodes : ndarray of NODE, shape (N,)
    values : ndarray of float64, shape (N,)
        What a leaf says; elsewhere the mean of the leaves below, weighted by training rows.
    roots : ndarray of int64, shape (k,)
    """

    nodes: NDArray[np.void]
    values: Floats
    roots: Ints


@inlined
def _child(trees: Trees, at: int, X: Floats, i: int) -> int:
    """Return the child that row i goes on to; a leaf itself."""
    if X[i, trees.nodes[at]["feature"]] <= trees.nodes[at]["threshold"]:
        return at + 1
    return np.int64(trees.nodes[at]["right"])  # type: ignore[return-value]


def _entries(
    source: int,
) -> tuple[
    Callable[[Nodes, int, int, Trees, Ints, Floats], tuple[int, int]],
    Callable[[Trees, float, Floats, Floats], int],
    Callable[[Trees, Floats, Floats], int],
]:
    """Make the functions to call from outside, which carry the version of their sources."""

    @compiled_and_kept
    def lay_out(
        tree: Nodes, width: int, start: int, trees: Trees, stack: Ints, weights: Floats
    ) -> tuple[int, int]:
        """Write a tree from `start` on; return how many nodes it has, -1 where it is none."""
        n, at, waiting = len(tree.left), 0, 1
        stack[0] = 0
        # what is waiting: a node, and below it (in the stack's other half) whose right child it is
        stack[n] = -1
        while waiting > 0:
            waiting -= 1
            node, parent = stack[waiting], stack[n + waiting]
            if at >= n or node < 0 or node >= n:
                return -1, source
            here = start + at
            if parent >= 0:
                trees.nodes[parent]["right"] = np.int32(here)
            trees.values[here], weights[at] = tree.values[node], tree.weights[node]
            if tree.left[node] < 0:
                trees.nodes[here]["feature"] = np.int32(0)
                trees.nodes[here]["threshold"] = np.nan
                trees.nodes[here]["right"] = np.int32(here)
            else:
                feature = tree.feature[node]
                if feature < 0 or feature >= width or np.isnan(tree.threshold[node]):
                    return -1, source
                if waiting + 2 > n:
                    return -1, source
                trees.nodes[here]["feature"] = np.int32(feature)
                trees.nodes[here]["threshold"] = tree.threshold[node]
                stack[waiting], stack[n + waiting] = tree.right[node], here
                stack[waiting + 1], stack[n + waiting + 1] = tree.left[node], -1
                waiting += 2
            at += 1
        for i in range(at - 1, -1, -1):
            right = np.int64(trees.nodes[start + i]["right"]) - start
            if right != i:
                a, b = weights[i + 1], weights[right]
                weights[i] = a + b
                share = a / (a + b) if a + b > 0 else 0.5
                left_value, right_value = trees.values[start + i + 1], trees.values[start + right]
                trees.values[start + i] = share * left_value + (1.0 - share) * right_value
        return at, source

    @compiled_and_kept
    def sums(trees: Trees, first: float, X: Floats, out: Floats) -> int:
        """Add up, onto `first` and in the order of the trees, what the leaves of a row say."""
        for begin in range(0, len(X), BLOCK):
            end = min(len(X), begin + BLOCK)
            for i in range(begin, end):
                out[i] = first
            for k in range(len(trees.roots)):
                for i in range(begin, end):
                    at, after = np.int64(-1), trees.roots[k]
                    while at != after:
                        at = after
                        after = _child(trees, at, X, i)
                    out[i] += trees.values[at]
        return source

    @compiled_and_kept
    def parts(trees: Trees, X: Floats, out: Floats) -> int:
        """Add each split's change of the value to the split's feature, shape (n, d)."""
        for i in range(len(X)):
            for k in range(len(trees.roots)):
                at = trees.roots[k]
                after = _child(trees, at, X, i)
                while at != after:
                    change = trees.values[after] - trees.values[at]
                    out[i, trees.nodes[at]["feature"]] += change
                    at = after
                    after = _child(trees, at, X, i)
        return source

    return lay_out, sums, parts


lay_out, sums, parts = _entries(fingerprint(__file__))
