"""How trees are laid out so that rows come down fast.

A tree stands depth first, behind every node the child that more training rows went to, so that
most steps go to the neighbour in memory and the processor guesses most of them right. A row is
given twice, as it is and negated: where the heavier child is the right one, ``x > t`` is asked as
``-x <= -t'`` with t' the next number after t, which is the same for every x of that precision.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints
from eddy.models.numba_typing import compiled_and_kept, fingerprint

# `code` holds the column in its lowest 8 bits and above the way to the other child; 0 in a leaf.
SINGLE = np.dtype([("threshold", "f4"), ("code", "u4")])
DOUBLE = np.dtype([("threshold", "f8"), ("code", "u4")], align=True)
COLUMN, AWAY = np.uint32(255), np.uint32(8)

MOST_FEATURES = 128
MOST_NODES = 1 << 24  # of a tree


class Nodes(NamedTuple):
    """One tree as its maker numbered it; n nodes, the root first.

    A row goes left where its feature is at most the threshold.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n,)
        Children; -1 for a leaf.
    feature : ndarray of int64, shape (n,)
    threshold : ndarray of float64, shape (n,)
    values : ndarray of float64, shape (n,)
        Used of leaves.
    weights : ndarray of float64, shape (n,)
        How many training rows came by.
    depth : int
        Splits on the longest way, as its maker says; -1 where it does not say.
    """

    left: Ints
    right: Ints
    feature: Ints
    threshold: Floats
    values: Floats
    weights: Floats
    depth: int


class Trees(NamedTuple):
    """Trees as arrays; N nodes of k trees.

    Attributes
    ----------
    nodes : ndarray of SINGLE or DOUBLE, shape (N,)
    values : ndarray of float64, shape (N,)
        What a leaf says; elsewhere the mean of the leaves below, weighted by training rows.
    roots : ndarray of int64, shape (k,)
    """

    nodes: NDArray[np.void]
    values: Floats
    roots: Ints


class Questions(NamedTuple):
    """What is asked at the nodes of one tree, both ways round, in the rows' precision.

    Attributes
    ----------
    at_most : ndarray, shape (n,)
        A row goes left where its feature is at most this.
    negated : ndarray, shape (n,)
        A row goes right where its negated feature is at most this.
    """

    at_most: NDArray[np.floating]
    negated: NDArray[np.floating]


def empty_trees(sizes: Ints, precision: np.dtype[np.void]) -> Trees:
    """Make room for trees of so many nodes each."""
    roots = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    return Trees(np.zeros(total, precision), np.zeros(total), roots)


def questions(threshold: Floats, precision: np.dtype[np.void]) -> Questions:
    """Return the thresholds in the rows' precision: rounded down, which changes no answer."""
    kind = precision["threshold"].type
    with np.errstate(over="ignore", under="ignore"):
        at_most = threshold.astype(kind)
        at_most = np.where(at_most > threshold, np.nextafter(at_most, kind(-np.inf)), at_most)
        return Questions(at_most, -np.nextafter(at_most, kind(np.inf)))


def _entry(
    source: int,
) -> Callable[[Nodes, Questions, int, int, Trees, Ints, Floats], tuple[int, int]]:
    """Make the function to call from outside, which carries the version of its source."""

    @compiled_and_kept
    def lay_out(
        tree: Nodes,
        asked: Questions,
        width: int,
        start: int,
        trees: Trees,
        stack: Ints,
        weights: Floats,
    ) -> tuple[int, int]:
        """Write a tree from `start` on; return how many nodes it has, -1 where it is none."""
        n, at, waiting, deepest = len(tree.left), 0, 1, 0
        # What is waiting: a node, whose far child it is, how deep it stands.
        stack[0, 0], stack[1, 0], stack[2, 0] = 0, -1, 0
        while waiting > 0:
            waiting -= 1
            node, parent, depth = stack[0, waiting], stack[1, waiting], stack[2, waiting]
            deepest = max(deepest, depth)
            if at >= n or node < 0 or node >= n:
                return -1, source
            here = start + at
            at += 1
            if parent >= 0:
                trees.nodes[parent]["code"] |= np.uint32(here - parent) << AWAY
            trees.values[here], weights[here - start] = tree.values[node], tree.weights[node]
            trees.nodes[here]["code"] = np.uint32(0)
            trees.nodes[here]["threshold"] = np.nan
            if tree.left[node] < 0:
                continue
            near, far, column = tree.left[node], tree.right[node], tree.feature[node]
            if column < 0 or column >= width or near >= n or far < 0 or far >= n:
                return -1, source
            if waiting + 2 > n or np.isnan(asked.at_most[node]):
                return -1, source
            trees.nodes[here]["threshold"] = asked.at_most[node]
            if tree.weights[far] > tree.weights[near]:
                near, far, column = far, near, column + width
                trees.nodes[here]["threshold"] = asked.negated[node]
            trees.nodes[here]["code"] = np.uint32(column)
            stack[0, waiting], stack[1, waiting], stack[2, waiting] = far, here, depth + 1
            waiting += 1
            stack[0, waiting], stack[1, waiting], stack[2, waiting] = near, -1, depth + 1
            waiting += 1
        if tree.depth >= 0 and tree.depth != deepest:
            return -1, source
        # Children stand behind their parents: from the end on, theirs is known.
        for i in range(at - 1, -1, -1):
            away = np.int64(trees.nodes[start + i]["code"] >> AWAY)
            if away > 0:
                a, b = weights[i + 1], weights[i + away]
                share = a / (a + b) if a + b > 0 else 0.5
                near_value, far_value = trees.values[start + i + 1], trees.values[start + i + away]
                trees.values[start + i] = share * near_value + (1.0 - share) * far_value
                weights[i] = a + b
        return at, source

    return lay_out


lay_out = _entry(fingerprint(__file__))
