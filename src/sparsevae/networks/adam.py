"""Adam as torch has it, ready at once."""

import inspect

import torch

OF_TORCH = torch.optim.Adam


class Adam(OF_TORCH):
    """Torch's own without what it does for torch's compiler, whose import takes seconds."""

    step = torch.no_grad()(inspect.unwrap(OF_TORCH.step))
    zero_grad = inspect.unwrap(OF_TORCH.zero_grad)
    add_param_group = inspect.unwrap(OF_TORCH.add_param_group)
    state_dict = inspect.unwrap(OF_TORCH.state_dict)
    load_state_dict = inspect.unwrap(OF_TORCH.load_state_dict)
