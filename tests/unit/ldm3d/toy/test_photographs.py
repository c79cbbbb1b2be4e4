"""The photographs come from an installed package, and from nowhere else."""

import socket
import sys

import numpy as np
import pytest

from ldm3d.toy.photographs import photographs


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a photograph was requested from the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_every_photograph_loads_without_network(no_network):
    found = list(photographs())
    assert len(found) >= 12
    for photograph in found:
        assert photograph.image.dtype == np.uint8
        assert photograph.image.ndim == 3
        assert photograph.image.shape[2] == 3
        assert photograph.image.std() > 5  # not blank
    assert len({photograph.caption for photograph in found}) == len(found)


def test_missing_scikit_image_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"ldm3d-on-ray\[toy\]"):
        next(photographs())
