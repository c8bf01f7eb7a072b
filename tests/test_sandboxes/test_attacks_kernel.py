"""Attacks on the kernel's interfaces, the network and the server, each really run in the hardened sandbox."""

import pytest
from attacks import Attack, strike
from attacks_on_kernel import KERNEL, NETWORK, PRIVILEGE, SERVER

from sandboxes.api import Pool


@pytest.mark.docker
@pytest.mark.parametrize("attack", [*NETWORK, *SERVER, *PRIVILEGE, *KERNEL], ids=lambda attack: attack.name)
def test_an_attack_on_the_kernel_or_the_server_is_refused(attacked: Pool, untouched: str, attack: Attack) -> None:
    strike(attacked, attack, untouched)
