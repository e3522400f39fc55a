"""A copy of a network to run in training mode, so that nothing of the original moves."""

import torch

from core.network import ResidualNetwork


def training_copy(network: ResidualNetwork) -> ResidualNetwork:
    """Copy weights, statistics and strengths into a new network in train mode, without probes.

    It lies on the same device in the same memory order, so that its logits are those of the
    original bit for bit. The original and the global random numbers stay as they are.
    """
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten at once
        copy = ResidualNetwork(network.settings)
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    copy.load_state_dict(state, strict=True, assign=True)
    copy.memory_format = network.memory_format
    copy.set_strengths(network.shortcuts, network.branches)
    return copy.train()
