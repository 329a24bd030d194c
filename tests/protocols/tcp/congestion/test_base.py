from __future__ import annotations

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp.congestion import CONTROLLERS, controller


def test_by_name() -> None:
    for name, kind in CONTROLLERS.items():
        assert isinstance(controller(name), kind)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="vegas"):
        controller("vegas")


def test_each_is_one_of_its_own() -> None:
    for name in CONTROLLERS:
        assert controller(name) is not controller(name)
